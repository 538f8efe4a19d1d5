"""Which backup comes back: as the form says, as a person chooses, or the newest."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from pipeline.tasks.choose_backup import KEEP, BackupChoice, question

BACKUPS = [
    {
        "backup": name,
        "accuracy": 0.74,
        "run_id": "r1",
        "deployed_at": "2026-11-22T02:10:00+00:00",
        "problem": None,
    }
    for name in ("2026-11-22T021000Z_0123abcd", "2026-11-15T021000Z_4567abcd")
]
NEWEST, OLDER = (str(kept["backup"]) for kept in BACKUPS)


def _context(backups: list[dict[str, Any]], **params: Any) -> dict[str, Any]:
    task = SimpleNamespace(xcom_pull=lambda task_ids: {"backups": backups})
    return {"params": {"to": None, "ask": False, **params}, "ti": task}


def _choice() -> BackupChoice:
    return BackupChoice(task_id="choose_backup")


@pytest.mark.parametrize(
    ("backups", "params", "chosen"),
    [
        (BACKUPS, {}, NEWEST),
        (BACKUPS, {"to": OLDER}, OLDER),
        (BACKUPS, {"to": OLDER, "ask": True}, OLDER),
        ([], {}, None),
        ([], {"ask": True}, None),
    ],
)
def test_choice_without_a_question(backups, params, chosen) -> None:
    assert _choice().execute(_context(backups, **params)) == chosen


def _event(option: str) -> dict[str, Any]:
    answer = {"chosen_options": [option], "params_input": {}, "responded_by_user": None}
    return answer | {"responded_at": datetime(2026, 11, 23, tzinfo=UTC)}


def test_answer_is_the_name_of_the_backup() -> None:
    assert _choice().execute_complete(_context(BACKUPS), _event(OLDER)) == OLDER


def test_keeping_production_skips_the_rollback() -> None:
    with pytest.raises(AirflowSkipException, match="Production model unchanged"):
        _choice().execute_complete(_context(BACKUPS), _event(KEEP))


def test_answer_that_is_no_backup_is_refused() -> None:
    with pytest.raises(ValueError, match="not in"):
        _choice().execute_complete(_context(BACKUPS), _event("another"))


def test_question_lists_the_backups_with_their_numbers() -> None:
    assert question(BACKUPS[:1]) == (
        "| backup | accuracy | run | went live | digest |\n"
        "| --- | --- | --- | --- | --- |\n"
        f"| {NEWEST} | 74.0% | r1 | 2026-11-22 02:10 UTC | agrees with its metrics |"
    )
