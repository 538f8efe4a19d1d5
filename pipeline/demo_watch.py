"""`make watch`: a quiet day and a worrying one on the demo's data, each looked at by the real DAG.

Yesterday's rows of one symbol are taken away for the second look, and put back after it. What it
says goes to the pipe DEMO_EVENTS, for the DAG logs to the standard output.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from airflow.sdk import DagRunState
from airflow.utils.cli import get_bagged_dag
from sqlalchemy import Connection, text  # noqa: TID253 - a command, not a DAG

from clickhouse.watching import DAYS_TABLE, read_days
from pipeline.connection import clickhouse_engine
from pipeline.dag_defaults import WATCH
from pipeline.settings import read_models

_KEPT: Final = "regime_demo_kept"
_YESTERDAY: Final = "toDate(now('UTC')) - 1"
_SYMBOL: Final = "ETHUSDT"
_ROWS: Final = f"symbol = '{_SYMBOL}' AND toDate(timestamp, 'UTC') = {_YESTERDAY}"
_AT_ONCE: Final = "SETTINGS mutations_sync = 2"


class _Messages(logging.Handler):
    """Keeps the messages that are logged, delivered or not."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps one."""
        if str(record.msg).startswith("Message:"):
            self.texts.append(record.getMessage().partition("\n")[2])


def main() -> int:
    """Looks twice, and prints what was told; 0 only if both looks succeeded."""
    with clickhouse_engine() as engine:
        if engine.url.get_driver_name() != "chdb":
            _say("Only the demo's own data may be changed: your server is only read.")
            return 1
        read_days(engine, None)
        with engine.connect() as connection:
            _put_back(connection)
            _forget_yesterday(connection)
    if not _look("As the data are"):
        return 1
    with _silent_symbol():
        succeeded = _look(f"Without yesterday's rows of {_SYMBOL}")
    where = read_models().where("watch.json")
    _say("", f"The rows are back. make ui shows the page Production, made of {where}.")
    return 0 if succeeded else 1


def _look(what: str) -> bool:
    messages = _Messages()
    log = logging.getLogger("pipeline.alerts")
    log.addHandler(messages)
    run = get_bagged_dag(bundle_names=None, dag_id=WATCH).test()
    log.removeHandler(messages)
    told = messages.texts or ["no message: all is as it was"]
    _say("", f"{what}:", *(f"  {line}" for text in told for line in text.splitlines()))
    return bool(run.state == DagRunState.SUCCESS)


def _say(*lines: str) -> None:
    os.write(int(os.environ.get("DEMO_EVENTS", "1")), "".join(f"{one}\n" for one in lines).encode())


@contextmanager
def _silent_symbol() -> Iterator[None]:
    with clickhouse_engine() as engine, engine.connect() as connection:
        made = "ENGINE = MergeTree ORDER BY tuple() AS SELECT * FROM regime_features"
        connection.execute(text(f"CREATE TABLE {_KEPT} {made} FINAL WHERE {_ROWS}"))
        connection.execute(text(f"ALTER TABLE regime_features DELETE WHERE {_ROWS} {_AT_ONCE}"))
        _forget_yesterday(connection)
    try:
        yield
    finally:
        with clickhouse_engine() as engine, engine.connect() as connection:
            _put_back(connection)


def _put_back(connection: Connection) -> None:
    """Also what a demo that was stopped has left."""
    if connection.execute(text(f"EXISTS TABLE {_KEPT}")).scalar_one():
        connection.execute(text(f"INSERT INTO regime_features SELECT * FROM {_KEPT}"))
        connection.execute(text(f"DROP TABLE {_KEPT}"))


def _forget_yesterday(connection: Connection) -> None:
    connection.execute(
        text(f"ALTER TABLE {DAYS_TABLE} DELETE WHERE day >= {_YESTERDAY} {_AT_ONCE}")
    )


if __name__ == "__main__":
    sys.exit(main())
