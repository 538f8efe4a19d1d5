"""Looks at the source day by day, labelled or not, and keeps what was found in a table of its own.

A day is one of the data's clock (UTC), and it is counted from the source anew whenever it is looked
at: whatever is stopped, repeated or done twice at once, its row says the same and counts once. The
source is only read; which copies of a row count is settled as for a freeze.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Connection, Engine, text

from clickhouse.quoting import quote, quoted
from clickhouse.snapshot import SOURCE_TABLE, Snapshot, rows_once
from clickhouse.source import KEY, look_at

DAYS_TABLE: Final = "regime_model_watch"
_COPY: Final = "regime_watch_rows_"
_MOST_SYMBOLS: Final = 500
_STEPS: Final = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 86_400)
"""Seconds: of rows that are more than can be asked about, one a symbol and step is."""
_SMALL_BLOCKS: Final = (
    "max_insert_threads = 1, min_insert_block_size_rows = 65536, "
    "min_insert_block_size_bytes = 33554432"
)
"""A copy of ten million rows takes 0.3 GB with them and 1.4 without, and as long."""
_HALF_A_DAY, _FEW = 11 * 3600, 12
"""From the first to the last of twelve hourly rows, in seconds."""
_A_DAY: Final = timedelta(days=1)
_EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True)
class Feed:
    """Rows of a day.

    Attributes:
        rows: how many.
        hours: which hours of the day have one: bit `h` for that from `h` o'clock UTC.
    """

    rows: int
    hours: int


@dataclass(frozen=True)
class Freshness:
    """A feature on a day.

    Attributes:
        missing: rows without a finite value.
        age: seconds from its newest value to the end of the day, of the symbol where that is
            longest; the whole day where it has none.
        still: seconds for which its newest value has been the same, of the symbol where that is
            longest; of one that did not change, since its first row of the day.
        longest: that symbol.
        stopped: symbols for which it has stood still for half a day, in twelve rows or more.
    """

    missing: int
    age: int
    still: int
    longest: str
    stopped: tuple[str, ...]


def server_time(engine: Engine) -> datetime:
    """The server's clock, UTC: this machine's own may be another."""
    with engine.connect() as connection:
        seconds = connection.execute(text("SELECT toUnixTimestamp(now())")).scalar_one()
    return datetime.fromtimestamp(int(seconds), UTC)


def rows_by_day(
    engine: Engine, first: date, now: datetime, source: str = SOURCE_TABLE
) -> dict[date, int]:
    """Counts the rows of each day that has some, each once; those in the future are left out.

    Args:
        engine: where the source is.
        first: the earliest day.
        now: the server's time.
        source: the table.
    """
    with engine.connect() as connection:
        looked = look_at(connection, source, KEY)
        time = looked.sql("timestamp", "time")
        wanted = f"{time} >= {_sql(midnight(first))} AND {time} <= {_sql(now)}"
        if looked.cancelled:
            wanted += f" AND {quoted(looked.cancelled)} > 0"
        once = "count()" if looked.once else "uniqExact(symbol, timestamp)"
        query = (
            f"SELECT intDiv(toUInt32({time}), 86400) AS d, {once} FROM {quoted(source)} "
            f"WHERE {wanted} GROUP BY d ORDER BY d SETTINGS final = 1"
        )
        found = connection.execute(text(query)).all()
    return {_EPOCH + int(d) * _A_DAY: int(count) for d, count in found}


@contextmanager
def rows_of_days(  # noqa: PLR0913
    engine: Engine,
    since: datetime,
    until: datetime,
    columns: Sequence[str],
    labels: Sequence[str],
    *,
    labelled: bool = False,
    database: str | None = None,
    source: str = SOURCE_TABLE,
) -> Iterator[Snapshot]:
    """Copies rows of the source, each once and converted; the copy goes with the block.

    Args:
        engine: where the source is.
        since: from when on.
        until: up to before this.
        columns: numbers to copy.
        labels: the known ones; any other counts as none.
        labelled: whether rows without a known label are left out.
        database: where the copy lies; None for the connection's own.
        source: the table.
    """
    with engine.connect() as connection:
        looked = look_at(connection, source, (*KEY, *columns, "regime_label"))
        time, label = looked.sql("timestamp", "time"), looked.sql("regime_label", "text")
        wanted = f"{time} >= {_sql(since)} AND {time} < {_sql(until)}"
        known = f"({', '.join(map(quote, labels))})"
        wanted += f" AND {label} IN {known}" if labelled else ""
        rows, _ = rows_once(looked, (*columns, "regime_label"), wanted, ("regime_label",))
        database = database or looked.database
        _drop_left_copies(connection, database)
        name = f"{_COPY}{uuid4().hex[:12]}"
        table = f"{quoted(database)}.{quoted(name)}"
        copied = f"* REPLACE (if(regime_label IN {known}, regime_label, '') AS regime_label)"
        made = (
            f"CREATE TABLE {table} ENGINE = MergeTree ORDER BY (timestamp, symbol) "
            f"SETTINGS allow_nullable_key = 1 COMMENT :comment AS SELECT {copied} FROM ({rows}) "
            f"SETTINGS final = 1, {_SMALL_BLOCKS}"
        )
        try:
            comment = {"comment": datetime.now(UTC).isoformat()}
            connection.execute(text(made), comment)
            count = connection.execute(text(f"SELECT count() FROM {table}")).scalar_one()
            yield Snapshot(database, name, int(count), "")
        finally:
            connection.execute(text(f"DROP TABLE IF EXISTS {table}"))


def feeds_of(engine: Engine, copy: Snapshot) -> dict[str, Feed]:
    """Counts a day's rows by symbol, of at most 500; under the empty name those of all."""
    hours = "groupBitOr(bitShiftLeft(toUInt32(1), toHour(timestamp, 'UTC')))"
    query = (
        f"SELECT toString(symbol) AS s, count() AS n, {hours} FROM {_name(copy)} GROUP BY s "
        f"ORDER BY n DESC, s LIMIT {_MOST_SYMBOLS}"
    )
    with engine.connect() as connection:
        of_all = connection.execute(text(f"SELECT count(), {hours} FROM {_name(copy)}")).one()
        found = connection.execute(text(query)).all()
    return {"": Feed(*map(int, of_all))} | {str(s): Feed(int(n), int(h)) for s, n, h in found}


def freshness_of(
    engine: Engine, copy: Snapshot, end: datetime, features: Sequence[str]
) -> dict[str, Freshness]:
    """Counts what is missing of each feature of a day, and how long its values are old or alike.

    Args:
        engine: where the copy is.
        copy: rows of the day, at least one.
        end: of the day; ages are counted from there.
        features: columns of numbers, of which a NULL became NaN.
    """
    until, newest, found = int(end.timestamp()), [], []
    for k, name in enumerate(features):
        x = f"toFloat32({quoted(name)})"
        newest.append(f"argMaxIf({x}, timestamp, isFinite({x})) AS newest{k}")
        first, last = (f"{of}If(toUInt32(timestamp), isFinite({x}))" for of in ("min", "max"))
        other = f"maxIf(toUInt32(timestamp), isFinite({x}) AND {x} != newest{k})"
        found.append(f"({k}, countIf(NOT isFinite({x})), {first}, {last}, {other})")
    ended = f"SELECT symbol, max(timestamp) AS ended, {', '.join(newest)} FROM {_name(copy)}"
    by_symbol = (
        f"SELECT toString(symbol) AS s, arrayJoin([{', '.join(found)}]) AS f, "
        f"f.4 - greatest(f.3, f.5) AS still, f.4 - f.3 >= {_HALF_A_DAY} AND "
        f"f.4 - f.5 > {_HALF_A_DAY} AND countIf(timestamp >= ended - {_HALF_A_DAY + 3600}) >= "
        f"{_FEW} AS stopped FROM {_name(copy)} AS r INNER JOIN ({ended} GROUP BY symbol) AS n "
        "USING (symbol) GROUP BY s"
    )
    query = (
        f"SELECT f.1 AS k, sum(f.2), max({until} - greatest(f.4, {until - 86_400})), max(still), "
        "argMax(s, still), toJSONString(arraySort(groupArrayIf(s, stopped))) "
        f"FROM ({by_symbol}) GROUP BY k ORDER BY k"
    )
    with engine.connect() as connection:
        counted = connection.execute(text(query)).all()
    return {
        features[int(k)]: Freshness(
            int(missing), int(age), int(still), str(symbol), tuple(json.loads(stopped))
        )
        for k, missing, age, still, symbol, stopped in counted
    }


def thinned_to(engine: Engine, copy: Snapshot, most: int) -> tuple[str, int]:
    """Which rows of a copy to ask about, if there are too many: the first a symbol in each step.

    Args:
        engine: where the copy is.
        copy: the rows.
        most: how many are wanted at most; more only if there are as many symbols.

    Returns:
        A condition in SQL, and the step in seconds, 0 for all rows.
    """
    if copy.rows <= most:
        return "1", 0
    step = "intDiv(toUInt32(timestamp), {})"
    counts = ", ".join(f"uniq(symbol, {step.format(seconds)})" for seconds in _STEPS)
    with engine.connect() as connection:
        found = connection.execute(text(f"SELECT {counts} FROM {_name(copy)}")).one()
    fitting = [s for s, count in zip(_STEPS, found, strict=True) if count <= most]
    seconds = fitting[0] if fitting else _STEPS[-1]
    firsts = f"SELECT symbol, min(timestamp) FROM {_name(copy)} GROUP BY symbol, "
    return f"(symbol, timestamp) IN ({firsts}{step.format(seconds)})", seconds


def read_days(engine: Engine, database: str | None, most: int = 90) -> dict[date, dict[str, Any]]:
    """What was kept of the newest days, oldest first; makes the table if there is none.

    Args:
        engine: where it is.
        database: its database; None for the connection's own.
        most: how many days.
    """
    name = _days_table(database)
    with engine.connect() as connection:
        connection.execute(
            text(
                f"CREATE TABLE IF NOT EXISTS {name} (day Date, facts String) "
                "ENGINE = ReplacingMergeTree ORDER BY day "
                "COMMENT 'What regime_model_watch found, a row a day'"
            )
        )
        query = f"SELECT day, facts FROM {name} ORDER BY day DESC LIMIT {most} SETTINGS final = 1"
        found = connection.execute(text(query)).all()
    return {_as_date(day): json.loads(facts) for day, facts in reversed(found)}


def write_day(engine: Engine, database: str | None, day: date, facts: Mapping[str, Any]) -> None:
    """Keeps what is known of a day, in place of what was."""
    values = {"day": day.isoformat(), "facts": json.dumps(facts, ensure_ascii=False)}
    with engine.connect() as connection:
        insert = f"INSERT INTO {_days_table(database)} (day, facts) SELECT toDate(:day), :facts"
        connection.execute(text(insert), values)


def _drop_left_copies(connection: Connection, database: str) -> None:
    """Removes what a look that was killed a day ago or more has left."""
    tables = "SELECT name, comment FROM system.tables WHERE database = :database"
    yesterday = (datetime.now(UTC) - _A_DAY).isoformat()
    for name, comment in connection.execute(text(tables), {"database": database}).all():
        if str(name).startswith(_COPY) and str(comment) < yesterday:
            connection.execute(text(f"DROP TABLE IF EXISTS {quoted(database)}.{quoted(name)}"))


def midnight(day: date) -> datetime:
    """The moment a day begins, UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _sql(moment: datetime) -> str:
    return f"toDateTime({int(moment.timestamp())})"


def _as_date(day: Any) -> date:
    return day if isinstance(day, date) else date.fromisoformat(str(day))


def _days_table(database: str | None) -> str:
    return f"{quoted(database)}.{DAYS_TABLE}" if database else DAYS_TABLE


def _name(copy: Snapshot) -> str:
    return f"{quoted(copy.database)}.{quoted(copy.table)}"
