"""Writes a person's labels into the source: a command's work, and no task's.

A label is written as a newer version of its whole row, which the engine then lets count.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, Engine, text

from clickhouse.engine import where
from clickhouse.errors import ClickHouseRefused
from clickhouse.quoting import quoted
from clickhouse.snapshot import SOURCE_TABLE
from clickhouse.source import KEY, Source, look_at

Labels = Mapping[tuple[str, int], str]
"""Regime by symbol and time, in seconds since 1970."""

_AT_ONCE: Final = 1_000
"""They stand in the query's text, whose length is bounded."""
_NAMED: Final = 5
_REMEDY: Final = (
    "correct symbols and times as the list has them, in UTC, and import again: nothing was written"
)
_LABEL: Final = "regime_label"
_GIVEN: Final = (
    "SELECT tupleElement(row, 1) AS s, tupleElement(row, 2) AS t, tupleElement(row, 3) AS label "
    "FROM (SELECT arrayJoin(JSONExtract(:labels, 'Array(Tuple(String, UInt32, String))')) AS row)"
)
_NOT_STORED: Final = frozenset({"MATERIALIZED", "ALIAS", "EPHEMERAL"})


def import_labels(engine: Engine, labels: Labels) -> Labels:
    """Writes labels of rows that are there: all of them, or none.

    Args:
        engine: of a user who may write the source.
        labels: of known regimes.

    Returns:
        The former label of each row, empty where it had none.

    Raises:
        ClickHouseRefused: naming rows that are not there, or a right that is missing; or if the
            table does not let a newer version of a row count by itself.
    """
    former = _former_labels(engine, labels)
    missing = [
        f"{symbol} {when(seconds)}" for symbol, seconds in labels if (symbol, seconds) not in former
    ]
    if missing:
        named = ", ".join(missing[:_NAMED]) + (" and others" if len(missing) > _NAMED else "")
        problem = f"{SOURCE_TABLE} has no row {named} ({len(missing)} of {len(labels)} labels)."
        raise ClickHouseRefused(where(engine.url), problem, _REMEDY)
    _put_labels(engine, labels)
    return former


def when(seconds: int) -> str:
    """A time for people.

    >>> when(1767225600)
    '2026-01-01 00:00:00 UTC'
    """
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _former_labels(engine: Engine, labels: Labels) -> Labels:
    with engine.connect() as connection:
        source = look_at(connection, SOURCE_TABLE, (*KEY, _LABEL))
        if not source.once or source.cancelled:
            problem = "does not let a newer version of a row take the older one's place."
            remedy = "bring the labels into it in your own way, or see clickhouse/schema.sql"
            raise ClickHouseRefused(where(engine.url), f"{SOURCE_TABLE} {problem}", remedy)
        query = (
            f"SELECT {_key(source)}, toString({quoted(_LABEL)}) FROM {SOURCE_TABLE} "
            f"WHERE (s_given, t_given) GLOBAL IN (SELECT s, t FROM ({_GIVEN})) SETTINGS final = 1"
        )
        return {
            (str(s), int(t)): str(label or "")
            for part in _parts(labels)
            for s, t, label in connection.execute(text(query), {"labels": part})
        }


def _put_labels(engine: Engine, labels: Labels) -> None:
    with engine.connect() as connection:
        source = look_at(connection, SOURCE_TABLE, (*KEY, _LABEL))
        columns = _stored_columns(connection)
        stored = ", ".join(map(quoted, columns))
        values = ", ".join("g.label" if name == _LABEL else f"r.{quoted(name)}" for name in columns)
        query = (
            f"INSERT INTO {SOURCE_TABLE} ({stored}) SELECT {values} "
            f"FROM (SELECT {stored}, {_key(source)} FROM {SOURCE_TABLE}) AS r "
            f"INNER JOIN ({_GIVEN}) AS g ON r.s_given = g.s AND r.t_given = g.t SETTINGS final = 1"
        )
        for part in _parts(labels):
            connection.execute(text(query), {"labels": part})


def _key(source: Source) -> str:
    """SQL of symbol and seconds of a row as they are frozen, under names that no column has."""
    symbol, time = source.sql("symbol", "text"), source.sql("timestamp", "time")
    return f"toString({symbol}) AS s_given, toUInt32({time}) AS t_given"


def _stored_columns(connection: Connection) -> list[str]:
    described = connection.execute(text(f"DESCRIBE TABLE {SOURCE_TABLE}")).all()
    return [str(row[0]) for row in described if str(row[2]) not in _NOT_STORED]


def _parts(labels: Labels) -> Iterator[str]:
    rows = [[symbol, seconds, label] for (symbol, seconds), label in labels.items()]
    for first in range(0, len(rows), _AT_ONCE):
        yield json.dumps(rows[first : first + _AT_ONCE])
