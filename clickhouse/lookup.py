"""Finds single rows of the source table by symbol and time, labelled or not."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, text

from clickhouse.quoting import quote, quoted
from clickhouse.snapshot import SOURCE_TABLE, rows_once
from clickhouse.source import KEY, Source, look_at

Key = tuple[str, str]
"""Symbol, and timestamp in ISO 8601 UTC."""


def find_rows(
    engine: Engine, keys: Collection[Key], columns: Sequence[str]
) -> dict[Key, list[float]]:
    """Reads rows by their keys; those that are not there are missing.

    Args:
        engine: on the server of the source.
        keys: symbols and timestamps; a timestamp without zone is UTC.
        columns: columns of numbers, in the order of the result.

    Raises:
        ClickHouseRefused: if the table, a column or a right is missing.
        ValueError: if a timestamp is none.
    """
    if not keys:
        return {}
    wanted = {(symbol, _seconds(timestamp)): (symbol, timestamp) for symbol, timestamp in keys}
    listed = ", ".join(f"({quote(symbol)}, {seconds})" for symbol, seconds in wanted)
    with engine.connect() as connection:
        looked = look_at(connection, SOURCE_TABLE, (*KEY, *columns))
        symbol, time = _key_of(looked)
        rows, _ = rows_once(looked, columns, f"({symbol}, {time}) IN ({listed})")
        numbers = ", ".join(f"toFloat64({quoted(name)})" for name in columns)
        found = _all(
            connection,
            f"SELECT toString(symbol), toUInt32(timestamp), {numbers} FROM ({rows}) "
            "SETTINGS final = 1",
        )
    return {wanted[row[0], row[1]]: list(row[2:]) for row in found}


def neighbours(engine: Engine, key: Key) -> list[str]:
    """Timestamps of a symbol before and after a moment, at most one each, in ISO 8601 UTC."""
    with engine.connect() as connection:
        symbol, time = _key_of(look_at(connection, SOURCE_TABLE, KEY))
        seconds, of_symbol = _seconds(key[1]), f"{symbol} = {quote(key[0])}"
        found = _all(
            connection,
            f"SELECT maxIf({time}, {time} < {seconds}), minIf({time}, {time} > {seconds}), "
            f"countIf({time} < {seconds}), countIf({time} > {seconds}) "
            f"FROM {SOURCE_TABLE} WHERE {of_symbol}",
        )
    before, after, *counts = found[0]
    near = [moment for moment, count in zip((before, after), counts, strict=True) if count]
    return [datetime.fromtimestamp(moment, UTC).isoformat() for moment in near]


def symbols_of(engine: Engine) -> list[str]:
    """The symbols that have a row, sorted."""
    with engine.connect() as connection:
        symbol, _ = _key_of(look_at(connection, SOURCE_TABLE, KEY))
        query = f"SELECT DISTINCT {symbol} AS s FROM {SOURCE_TABLE} ORDER BY s"
        return [str(row[0]) for row in _all(connection, query)]


def _key_of(source: Source) -> tuple[str, str]:
    """SQL of symbol as text and timestamp as seconds."""
    symbol, time = source.sql("symbol", "text"), source.sql("timestamp", "time")
    return f"toString({symbol})", f"toUInt32({time})"


def _all(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    # A symbol may have a colon, which SQLAlchemy would read as a parameter.
    return [tuple(row) for row in connection.execute(text(query.replace(":", "\\:"))).all()]


def _seconds(timestamp: str) -> int:
    then = datetime.fromisoformat(timestamp)
    return int((then if then.tzinfo else then.replace(tzinfo=UTC)).timestamp())
