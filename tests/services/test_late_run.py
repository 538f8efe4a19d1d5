"""A run not finished in time tells so, once and only if nobody knows: in a running Airflow."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.dags.home import embedded_home
from tests.services.scheduler import Airflow, running_airflow, wait_until
from tests.services.server import REPOSITORY

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(900)]

DAG = "regime_model_training"
PARTS = ("api-server", "scheduler", "dag-processor", "triggerer")
SETTLED = 10
"""Seconds in which a second message would have come."""


@pytest.fixture
def airflow(
    tmp_path: Path, chat: list[str], market: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Airflow]:
    """An Airflow whose training is expected to end within a minute."""
    text = (REPOSITORY / "dags" / f"{DAG}.py").read_text(encoding="utf-8")
    text = text.replace("(EXPECTED_WITHIN,", "(timedelta(minutes=1),").replace(
        '"0 2 * * 0"', "None"
    )
    assert text.count("minutes=1") == 1
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / f"{DAG}.py").write_text(text, encoding="utf-8")
    home = embedded_home(tmp_path, monkeypatch, lambda: "")
    home.load(market)
    with running_airflow(tmp_path / "airflow", dags, PARTS) as running:
        running.unpause(DAG)
        yield running
    shutil.rmtree(tmp_path / "airflow")


def test_late_run_tells_so_once_unless_it_failed_or_waits_for_a_person(
    airflow: Airflow, chat: list[str]
) -> None:
    assert airflow.finished(DAG, airflow.trigger(DAG, embargo_hours=8000))[0] == "failed"

    waiting = airflow.trigger(DAG, require_approval=True)
    airflow.question(DAG, waiting, "approve_deployment")
    said = f"{waiting} is late and waits for a person"
    wait_until(lambda: _logged(airflow, said), "the deadline of the waiting run", 120)
    airflow.answer(DAG, waiting, "approve_deployment", "Reject")
    assert airflow.finished(DAG, waiting)[0] == "success"

    airflow.set_slots(0)
    late = airflow.trigger(DAG)
    wait_until(lambda: "⏰" in _kinds(chat), "the message of a late run", 120)
    airflow.set_slots(16)
    assert airflow.finished(DAG, late)[0] == "success"
    time.sleep(SETTLED)
    assert _kinds(chat) == ["❌", "✋", "🎯", "⏰", "🎯"]
    title, _, expected, state, *_ = chat[3].splitlines()
    assert title == "⏰ Regime Detection Model Training Late"
    assert expected.startswith("🕐 Expected by: 20")
    assert state == "State: check_data scheduled"


def _kinds(chat: list[str]) -> list[str]:
    return [text[0] for text in chat]


def _logged(airflow: Airflow, words: str) -> bool:
    return any(words in log.read_text("utf-8", "replace") for log in airflow.folder.rglob("*.log"))
