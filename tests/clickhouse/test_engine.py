"""Errors have one shape, name the server, and never show the password."""

import pickle
import re
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError

from clickhouse.codes import PASSING, REMEDIES
from clickhouse.engine import open_engine
from clickhouse.errors import ClickHouseRefused, ClickHouseUnavailable, SnapshotChanged


@pytest.mark.parametrize("driver", ["native", "http"])
def test_server_that_is_down_is_unavailable_and_named_without_password(driver: str) -> None:
    engine = open_engine(f"clickhouse+{driver}://me:s3cr3t-pw@127.0.0.1:1/market")
    with pytest.raises(ClickHouseUnavailable) as caught, engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    assert f"{driver}://127.0.0.1:1/market" in str(caught.value)
    assert "s3cr3t-pw" not in str(caught.value) + repr(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        ClickHouseRefused("http://ch:8123/m", "Code: 60. No table.", "create it"),
        ClickHouseUnavailable("http://ch:8123/m", "Connection refused"),
        SnapshotChanged("m.t", "aa", "bb"),
    ],
)
def test_error_survives_pickle(error: Exception) -> None:
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_signs_that_cannot_be_seen_are_escapes_in_a_refusal() -> None:
    told = str(ClickHouseRefused("ch", "the row BTC\x1b[31m\nERROR \u202e is twice.", "look"))
    assert "BTC\\x1b[31m\\nERROR \\u202e" in told and told.isprintable()


def test_refusal_is_an_sqlalchemy_database_error() -> None:
    assert issubclass(ClickHouseRefused, DatabaseError)
    assert issubclass(ClickHouseUnavailable, DatabaseError)


def test_every_code_of_the_server_is_sorted_and_stands_in_the_documentation(engine: Engine) -> None:
    listed = "SELECT number, errorCodeToName(number) AS name FROM numbers(1, 3000) WHERE name != ''"
    with engine.connect() as connection:
        codes = {int(code): str(name) for code, name in connection.execute(text(listed))}
    assert len(codes) > 600
    assert codes.keys() >= PASSING | REMEDIES.keys()
    page = (Path(__file__).parents[2] / "docs/clickhouse.md").read_text(encoding="utf-8")
    _, passing, remedied, others = re.split(r"### .*", page.split("## Errors")[1])
    words = [set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", part)) for part in (passing, remedied, others)]
    expected = [
        {name for code, name in codes.items() if code in PASSING},
        {name for code, name in codes.items() if code in REMEDIES and code not in PASSING},
        {name for code, name in codes.items() if code not in PASSING | REMEDIES.keys()},
    ]
    for told, sorted_here in zip(words, expected, strict=True):
        assert sorted_here - told == set()


@pytest.mark.parametrize(
    ("sql", "named", "remedy"),
    [
        ("SELECT 1 FROM", "Syntax error", "correct what ClickHouse names"),
        ("SELECT toFloat64('a')", "Cannot parse", "correct what ClickHouse names"),
        ("SELECT [1] + 'a'", "Illegal types", "type of clickhouse/schema.sql"),
        (
            "SELECT count() FROM numbers(9) SETTINGS max_rows_to_read = 3",
            "max_rows",
            "raise max_rows_to_read",
        ),
        ("SELECT 1 SETTINGS no_such_setting = 3", "no_such_setting", "correct the name"),
        (
            "SELECT groupArray(number) FROM numbers(3e7) SETTINGS max_memory_usage = 9000000",
            "memory limit exceeded",
            "raise max_memory_usage",
        ),
    ],
)
def test_answer_that_cannot_pass_is_refused_in_one_line_with_a_remedy(
    any_engine: Engine, sql: str, named: str, remedy: str
) -> None:
    with (
        pytest.raises(ClickHouseRefused, match=named) as caught,
        any_engine.connect() as connection,
    ):
        connection.execute(text(sql)).all()
    said = str(caught.value)
    assert remedy in said and "\n" not in said and "@ 0x" not in said


def test_timeout_of_the_server_may_pass(any_engine: Engine) -> None:
    endless = "SELECT count() FROM numbers(1e12) WHERE sipHash64(number) = 1"
    busy = pytest.raises(ClickHouseUnavailable, match="cannot answer now")
    with busy, any_engine.connect() as connection:
        connection.execute(text(f"{endless} SETTINGS max_execution_time = 1")).all()
