"""Engines by way of an Airflow Connection, as a task opens them, and their errors."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from airflow.sdk import Connection
from airflow.sdk.definitions.retry_policy import RetryAction
from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError

from clickhouse.engine import opened
from pipeline.connection import clickhouse_url
from pipeline.dag_defaults import RETRIES


@contextmanager
def connected(protocol: str, port: int, **given: Any) -> Iterator[Engine]:
    """An engine by way of an Airflow Connection, as a task opens it."""
    extra = {"driver": protocol, **given.pop("extra", {})}
    fields = {"conn_type": "http", "host": "127.0.0.1", "port": port} | given
    connection = Connection(conn_id="c", extra=json.dumps(extra), **fields)
    with opened(clickhouse_url(connection)) as engine:
        yield engine


def failing(engine: Engine, sql: str = "SELECT 1") -> DatabaseError:
    """The error of a query that must fail."""
    with pytest.raises(DatabaseError) as caught, engine.connect() as connection:
        connection.execute(text(sql)).all()
    return caught.value


def is_retried(error: BaseException) -> bool:
    """What Airflow's retry policy says of an error."""
    decision = RETRIES["retry_policy"].evaluate(error, 1, 3)
    return bool(decision.action is not RetryAction.FAIL)
