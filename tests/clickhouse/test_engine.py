"""Errors have one shape, name the server, and never show the password."""

import pickle

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

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


def test_refusal_is_an_sqlalchemy_database_error() -> None:
    assert issubclass(ClickHouseRefused, DatabaseError)
    assert issubclass(ClickHouseUnavailable, DatabaseError)
