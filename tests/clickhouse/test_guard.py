"""No profile cuts, reorders or reformats an answer: all rows, or an error that names why."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from clickhouse.engine import opened
from clickhouse.errors import ClickHouseRefused
from clickhouse.guard import SAFE
from clickhouse.reading import read_samples
from clickhouse.snapshot import extent_of, freeze, prune, verify
from ml.contract import FEATURES, REGIMES

LIMITS = {
    "read_overflow_mode": "max_rows_to_read",
    "read_overflow_mode_leaf": "max_rows_to_read_leaf",
    "result_overflow_mode": "max_result_rows",
    "group_by_overflow_mode": "max_rows_to_group_by",
    "sort_overflow_mode": "max_rows_to_sort",
    "distinct_overflow_mode": "max_rows_in_distinct",
    "set_overflow_mode": "max_rows_in_set",
    "join_overflow_mode": "max_rows_in_join",
    "transfer_overflow_mode": "max_rows_to_transfer",
    "timeout_overflow_mode": "max_execution_time",
    "timeout_overflow_mode_leaf": "max_execution_time_leaf",
}
"""The limit that each mode is of."""

HOSTILE = {
    "limit": "7",
    "offset": "7",
    "additional_table_filters": "{'regime_features': '0'}",
    "additional_result_filter": "0",
    "session_timezone": "Asia/Tokyo",
    "sort": "1",
    "date_time_output_format": "unix_timestamp",
    "format_tsv_null_representation": "nothing",
    "framing_output_format": "EventStream",
    "parallel_replicas_custom_key": "cityHash64(symbol)",
}
"""Values of settings that are no numbers; a number is turned round."""


def everything_about(engine: Engine) -> tuple[object, ...]:
    """What a run asks ClickHouse for, from freezing to removing."""
    snapshot = freeze(engine, "run", FEATURES)
    samples = read_samples(engine, snapshot, FEATURES, REGIMES)
    verify(engine, snapshot)
    told = {name: values.tolist() for name, values in samples.items()}  # type: ignore[attr-defined]
    return snapshot, told, extent_of(engine), prune(engine, str(engine.url.database), keep=0)


def test_profile_of_every_hostile_setting_at_once_changes_no_answer(labelled: Engine) -> None:
    asked = "SELECT name FROM system.settings"
    with labelled.connect() as connection:
        known = set(connection.execute(text(asked)).scalars())
    expected = everything_about(labelled)
    labelled.dispose()  # the embedded engine serves one connection at a time
    turned = {name: HOSTILE.get(name, "1" if value == "0" else "0") for name, value in SAFE.items()}
    given = {n: v for n, v in turned.items() if n in known - LIMITS.keys() - {"filter"}}
    with opened(labelled.url.update_query_dict(given)) as engine:
        assert everything_about(engine) == expected


@pytest.mark.parametrize(("mode", "limit"), LIMITS.items())
def test_limit_of_a_profile_that_would_cut_in_silence_is_refused_by_name_or_does_not_matter(
    labelled: Engine, mode: str, limit: str
) -> None:
    expected = everything_about(labelled)
    labelled.dispose()
    given = {mode: "any" if mode.startswith("group") else "break", limit: "1"}
    if limit.startswith("max_execution_time"):
        given[limit] = "60"
    try:
        with opened(labelled.url.update_query_dict(given)) as engine:
            assert everything_about(engine) == expected
    except ClickHouseRefused as error:
        refusal = str(error)
    else:
        return
    assert limit in refusal


def test_setting_that_leaves_no_row_of_any_answer_is_refused(engine: Engine) -> None:
    engine.dispose()
    cut = engine.url.update_query_dict({"filter": "0"})
    with opened(cut) as opened_engine, pytest.raises(ClickHouseRefused, match="`filter`"):
        freeze(opened_engine, "run", FEATURES)


def test_every_guarded_setting_stands_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs/clickhouse.md").read_text(encoding="utf-8")
    section = page.split("## Settings")[1].split("## ")[0]
    assert [name for name in SAFE if f"`{name}`" not in section] == []
