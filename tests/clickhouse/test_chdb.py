"""The embedded dialect behaves as the HTTP dialect does against a server."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from clickhouse_sqlalchemy.exceptions import DatabaseException
from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError

from clickhouse.engine import open_engine
from clickhouse.errors import ClickHouseRefused, ClickHouseUnavailable


@contextmanager
def pieces_of(engine: Engine) -> Iterator[Callable[[str, str], Iterator[bytes]]]:
    pooled = engine.raw_connection()
    transport: Any = pooled.driver_connection.transport  # type: ignore[union-attr]
    yield transport.http.get_adapter(transport.db_url).pieces
    pooled.close()


@pytest.mark.parametrize(
    "value", ["it's", "100% \\ done", "a\tb\nc\rd", "`", "emoji 🎯", "", 3, -1.5, None]
)
def test_parameter_of_any_kind_comes_back_unchanged(engine: Engine, value: object) -> None:
    with engine.connect() as connection:
        assert connection.execute(text("SELECT :value"), {"value": value}).scalar() == value


def test_types_are_python_types(engine: Engine) -> None:
    query = (
        "SELECT toUInt8(7), 1.5, toLowCardinality('x'), toNullable(NULL), "
        "toDateTime('2026-11-22 02:00:00')"
    )
    with engine.connect() as connection:
        row = connection.execute(text(query)).one()
    assert tuple(row) == (7, 1.5, "x", None, datetime(2026, 11, 22, 2))


def test_reflection_names_columns_and_table(engine: Engine) -> None:
    inspector = sa.inspect(engine)
    names = [column["name"] for column in inspector.get_columns("regime_features")]
    assert inspector.get_table_names() == ["regime_features"]
    assert (names[0], names[-1], len(names)) == ("symbol", "regime_label", 26)


def test_core_insert_is_read_back(engine: Engine) -> None:
    table = sa.Table("regime_features", sa.MetaData(), autoload_with=engine)
    row = {"symbol": "BTC", "timestamp": datetime.now().replace(microsecond=0), "adx": 12.5}
    with engine.connect() as connection:
        connection.execute(table.insert(), [row])
        assert connection.execute(sa.select(table.c.symbol, table.c.adx)).all() == [("BTC", 12.5)]


def test_query_that_fails_raises_clickhouse_text_as_sqlalchemy_error(engine: Engine) -> None:
    with engine.connect() as connection, pytest.raises(DatabaseError, match="throwIf"):
        connection.execute(text("SELECT throwIf(1)"))


def test_query_after_a_failed_one_gets_only_its_own_answer(engine: Engine) -> None:
    with engine.connect() as connection:
        with pytest.raises(DatabaseError):
            connection.execute(text("SELECT throwIf(number = 5000) AS a FROM numbers(10000)"))
        assert connection.execute(text("SELECT 1 AS b")).mappings().all() == [{"b": 1}]


def test_answer_in_pieces_is_the_whole_answer(engine: Engine) -> None:
    with pieces_of(engine) as pieces:
        found = list(pieces("SELECT number FROM numbers(1000000)", "RowBinary"))
        assert len(found) > 10
        np.testing.assert_array_equal(np.frombuffer(b"".join(found), "<u8"), np.arange(1_000_000))
        assert list(pieces("SELECT number FROM numbers(0)", "RowBinary")) == []


def test_answer_in_pieces_that_breaks_off_raises_and_the_next_query_works(engine: Engine) -> None:
    failing = "SELECT throwIf(number = 900000) FROM numbers(1000000)"
    with pieces_of(engine) as pieces, pytest.raises(DatabaseException, match="throwIf"):
        list(pieces(failing, "RowBinary"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1 AS b")).mappings().all() == [{"b": 1}]


def test_answer_in_pieces_left_half_read_lets_the_next_query_work(engine: Engine) -> None:
    with pieces_of(engine) as pieces:
        next(pieces("SELECT number FROM numbers(10000000)", "RowBinary"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1


def test_missing_table_is_refused_with_remedy(engine: Engine) -> None:
    with engine.connect() as connection, pytest.raises(ClickHouseRefused, match=r"schema\.sql"):
        connection.execute(text("SELECT * FROM nowhere"))


def test_folder_held_by_another_process_says_who_may_hold_it(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    other = (
        "from clickhouse.engine import open_engine; from sqlalchemy import text\n"
        f"open_engine({str(engine.url)!r}).connect().execute(text('SELECT 1'))"
    )
    run = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert "another process holds it" in run.stderr
    assert "ClickHouseUnavailable" in run.stderr


def test_dispose_gives_the_folder_free_for_another(engine: Engine, tmp_path: Path) -> None:
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    engine.dispose()
    other = open_engine(f"clickhouse+chdb:///default?path={tmp_path / 'other'}")
    with other.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    other.dispose()


def test_second_folder_in_one_process_is_unavailable(engine: Engine, tmp_path: Path) -> None:
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    other = open_engine(f"clickhouse+chdb:///default?path={tmp_path / 'other'}")
    with pytest.raises(ClickHouseUnavailable, match="another folder"):
        other.connect()


def test_database_of_the_url_is_used(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("CREATE DATABASE market"))
    market = open_engine(engine.url.set(database="market"))
    with market.connect() as connection:
        assert connection.execute(text("SELECT currentDatabase()")).scalar() == "market"
    market.dispose()


def test_url_without_absolute_folder_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match="absolute"):
        open_engine("clickhouse+chdb:///default?path=relative")
