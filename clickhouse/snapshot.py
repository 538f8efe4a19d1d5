"""Freezes the labelled rows of a run into a table of its own, and removes old ones.

What is frozen here is what the gate validates and what training reads; the source is only read.
"""

import hashlib
import json
import math
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, text

from clickhouse.conversion import Role, converted
from clickhouse.engine import error_code
from clickhouse.errors import ClickHouseRefused, SnapshotChanged
from clickhouse.quoting import quoted
from clickhouse.source import KEY, Source, look_at

SOURCE_TABLE = "regime_features"
_PREFIX = "regime_snapshot_"
_REPLAY = "regime_replay_"
"""Tables of replays, which are no run's snapshot and take no snapshot's place."""
_UNFINISHED = "_tmp_replace_"
"""What ClickHouse calls a table that CREATE OR REPLACE still fills; a killed server leaves it."""
_LEFT_AFTER_DAYS = {_UNFINISHED: 1, _REPLAY: 7}
"""No freeze takes a day, and a replay that was stopped is taken up within a week or not at all."""


_GONE = {60, 81}
_DAYS = 90
_DAYS_PROTECTED = 365
_FREEZE_AGAIN = (
    "clear the run from check_data on, which freezes its rows again: only the newest ten snapshots "
    "are kept, and those for 90 days"
)


@dataclass(frozen=True)
class Snapshot:
    """The frozen labelled rows of one run.

    Attributes:
        database: database of the frozen table.
        table: its name, without the database.
        rows: number of rows, each a labelled sample.
        fingerprint: 32 hex digits, equal for equal content whatever the order of the rows.
        converted: columns that were converted while freezing, each with the type it had.
    """

    database: str
    table: str
    rows: int
    fingerprint: str
    converted: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Database and table as one name for people and metadata."""
        return f"{self.database}.{self.table}"

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as a plain dict, small enough for an XCom."""
        return asdict(self)


def freeze(  # noqa: PLR0913
    engine: Engine,
    run_id: str,
    columns: Sequence[str],
    *,
    label: str = "regime_label",
    source: str = SOURCE_TABLE,
    database: str | None = None,
    table: str | None = None,
) -> Snapshot:
    """Copies the deduplicated labelled rows of `source` into the run's own table.

    The table appears complete or not at all, and a second call for the same run replaces it: a
    retry sees the same rows, a cleared run sees newly labelled ones.

    Args:
        engine: where `source` lives.
        run_id: names the table; any text.
        columns: columns to keep beside `symbol`, `timestamp` and `label`.
        label: column that is empty while a row is unlabelled.
        source: table to read.
        database: database of the snapshot; None means the connection's own.
        table: its name, if not the run's.

    Raises:
        ClickHouseRefused: if the table, a column or a right is missing, or if nobody can know which
            version of a row counts.
    """
    with engine.connect() as connection:
        looked = look_at(connection, source, (*KEY, *columns, label))
        database = database or looked.database
        table = table or table_name(run_id)
        rows, conversions = _labelled_rows(looked, columns, label)
        connection.execute(
            text(
                f"CREATE OR REPLACE TABLE {quoted(database)}.{quoted(table)} "
                "ENGINE = MergeTree ORDER BY (timestamp, symbol) SETTINGS allow_nullable_key = 1 "
                f"COMMENT :comment AS {rows} SETTINGS final = 1"
            ),
            _comment(run_id),
        )
        content = _content(connection, database, table)
    return Snapshot(database, table, *content, conversions)


def _labelled_rows(
    source: Source, columns: Sequence[str], label: str
) -> tuple[str, tuple[str, ...]]:
    """SQL of the labelled rows, each once, and which columns it converts from which type."""
    return rows_once(source, (*columns, label), f"{source.sql(label, 'text')} != ''", (label,))


def rows_once(
    source: Source,
    columns: Sequence[str],
    condition: str,
    texts: Collection[str] = (),
    *,
    repeated: bool = False,
) -> tuple[str, tuple[str, ...]]:
    """SQL of rows of the source, each once where it is read with `final = 1`.

    Args:
        source: as `look_at` found it.
        columns: columns beside `symbol` and `timestamp`.
        condition: SQL on the source's own columns.
        texts: which of the columns are texts; the others are numbers.
        repeated: whether a row may come twice, where its engine may have it twice: to leave that
            out takes memory for every row.

    Returns:
        The SQL, and which columns it converts from which type.
    """
    roles: dict[str, Role] = {"symbol": "text", "timestamp": "time"}
    roles |= {name: "text" if name in texts else "number" for name in columns}
    found = {name: converted(name, source.types[name], role) for name, role in roles.items()}
    selected = ", ".join(
        f"{sql} AS {quoted(name)}" if sql else quoted(name) for name, sql in found.items()
    )
    if source.cancelled:
        condition += f" AND {quoted(source.cancelled)} > 0"
    # Inside, a name is the column's and not that of what it is converted to.
    rows = f"SELECT {', '.join(map(quoted, roles))} FROM {quoted(source.name)} WHERE {condition}"
    # Where its engine may have a row twice, both are the same in all that is kept.
    once = "" if source.once or repeated else f" LIMIT 1 BY {', '.join(KEY)}"
    changed = tuple(f"{name} {source.types[name]}" for name, sql in found.items() if sql)
    return f"SELECT {selected} FROM ({rows}{once})", changed


@contextmanager
def earlier_part(engine: Engine, snapshot: Snapshot, before: datetime) -> Iterator[Snapshot]:
    """The rows of a snapshot before a moment, as a table of its own while the block runs.

    Its fingerprint is the one that a freeze of just these rows has.

    Args:
        engine: an engine on the server that holds the snapshot.
        snapshot: what to take them from.
        before: with a time zone.
    """
    part = replace(snapshot, table=f"{_REPLAY}part_{uuid4().hex[:12]}")
    whole, name = (f"{quoted(of.database)}.{quoted(of.table)}" for of in (snapshot, part))
    try:
        with engine.connect() as connection:
            connection.execute(
                text(
                    f"CREATE TABLE {name} ENGINE = MergeTree ORDER BY (timestamp, symbol) SETTINGS "
                    f"allow_nullable_key = 1 COMMENT :comment AS SELECT * FROM {whole} "
                    f"WHERE toUInt32(timestamp) < {math.ceil(before.timestamp())}"
                ),
                _comment(snapshot.table),
            )
            rows, fingerprint = _content(connection, part.database, part.table)
        yield replace(part, rows=rows, fingerprint=fingerprint)
    finally:
        drop(engine, part)


def extent_of(engine: Engine, source: str = SOURCE_TABLE) -> tuple[int, ...]:
    """What the source spans, labelled or not.

    Returns:
        First and last day, counted from 1970-01-01 UTC, and number of symbols; nothing if the
        table is empty.
    """
    with engine.connect() as connection:
        described = connection.execute(text(f"DESCRIBE TABLE {quoted(source)}"))
        kind = next(str(row[1]) for row in described if row[0] == "timestamp")
        time = converted("timestamp", kind, "time") or "timestamp"
        days = ", ".join(f"intDiv(toUInt32({end}({time})), 86400)" for end in ("min", "max"))
        query = f"SELECT count(), {days}, uniqExact(symbol) FROM {quoted(source)}"
        rows, *extent = connection.execute(text(query)).one()
    return tuple(map(int, extent)) if rows else ()


@contextmanager
def of_a_snapshot() -> Iterator[None]:
    """Says of a frozen table that is gone what brings it back."""
    try:
        yield
    except ClickHouseRefused as error:
        if error_code(error.answer) not in _GONE:
            raise
        raise ClickHouseRefused(error.server, error.answer, _FREEZE_AGAIN) from error


@of_a_snapshot()
def find_snapshot(engine: Engine, name: str) -> Snapshot:
    """Finds what a past run has frozen, to train on it again.

    Args:
        engine: an engine on the server that holds it.
        name: `database.table`; without a database the connection's own is meant.

    Raises:
        ClickHouseRefused: if there is no such table.
    """
    database, _, table = name.rpartition(".")
    with engine.connect() as connection:
        database = database or connection.execute(text("SELECT currentDatabase()")).scalar_one()
        rows, fingerprint = _content(connection, database, table)
    return Snapshot(database, table, rows, fingerprint)


@of_a_snapshot()
def verify(engine: Engine, snapshot: Snapshot) -> None:
    """Checks that the frozen table still holds what was frozen.

    Raises:
        SnapshotChanged: if it does not.
        ClickHouseRefused: if it is gone.
    """
    with engine.connect() as connection:
        rows, fingerprint = _content(connection, snapshot.database, snapshot.table)
    if (rows, fingerprint) != (snapshot.rows, snapshot.fingerprint):
        raise SnapshotChanged(snapshot.name, snapshot.fingerprint, fingerprint)


def drop(engine: Engine, snapshot: Snapshot) -> None:
    """Drops a frozen table that is of no more use."""
    with engine.connect() as connection:
        table = f"{quoted(snapshot.database)}.{quoted(snapshot.table)}"
        connection.execute(text(f"DROP TABLE IF EXISTS {table}"))


def prune(
    engine: Engine, database: str | None, *, keep: int = 10, protect: Collection[str] = ()
) -> int:
    """Drops all but the newest snapshots of a database, and what killed freezes and replays left.

    Rows that the source has forgotten do not live on in a snapshot: none stays for more than 90
    days, a protected one for more than a year.

    Args:
        engine: an engine on the server.
        database: the snapshots' database; None means the connection's own.
        keep: how many of the newest stay.
        protect: tables that stay though they are not among the newest, as `database.table`.

    Returns:
        How many tables were dropped.
    """
    with engine.connect() as connection:
        database = database or connection.execute(text("SELECT currentDatabase()")).scalar_one()
        found = connection.execute(
            text("SELECT name, comment FROM system.tables WHERE database = :database"),
            {"database": database},
        ).all()
        ours = [(_frozen_at(comment), name) for name, comment in found if _is_ours(name)]
        newest_first = [name for _, name in sorted(ours, reverse=True)]
        kept = set(newest_first[:keep])
        old = [
            name
            for frozen_at, name in ours
            if (name not in kept or frozen_at < _days_ago(_DAYS))
            and (f"{database}.{name}" not in protect or frozen_at < _days_ago(_DAYS_PROTECTED))
        ]
        old += [name for name, comment in found if _is_abandoned(name, comment)]
        for name in old:
            connection.execute(text(f"DROP TABLE {quoted(database)}.{quoted(name)}"))
    return len(old)


def table_name(run_id: str) -> str:
    """Names the snapshot of a run: readable, safe, and different for different runs.

    >>> table_name("manual__2026-11-22T02:00:00+00:00")
    'regime_snapshot_manual__2026_11_22T02_00_00_00_00_e200653a'
    """
    readable = re.sub(r"\W", "_", run_id, flags=re.ASCII)[:80]
    return f"{_PREFIX}{readable}_{hashlib.sha256(run_id.encode()).hexdigest()[:8]}"


def replay_table(replay: str) -> str:
    """Names the rows of a replay, by any text that tells it from others."""
    return f"{_REPLAY}{hashlib.sha256(replay.encode()).hexdigest()[:12]}"


def _comment(run_id: str) -> dict[str, str]:
    return {"comment": json.dumps({"run_id": run_id, "frozen_at": datetime.now(UTC).isoformat()})}


def _content(connection: Connection, database: str, table: str) -> tuple[int, str]:
    """Counts and fingerprints a table: a 128-bit SipHash of each row, added up without order."""
    rows, fingerprint = connection.execute(
        text(
            "SELECT count(), lower(hex(sipHash128(count(), "
            "sum(reinterpretAsUInt128(sipHash128(tuple(*))))))) "
            f"FROM {quoted(database)}.{quoted(table)}"
        )
    ).one()
    return int(rows), str(fingerprint)


def _is_ours(name: str) -> bool:
    return re.fullmatch(_PREFIX + r"\w+_[0-9a-f]{8}", name) is not None


def _is_abandoned(name: str, comment: str) -> bool:
    return any(
        name.startswith(prefix) and "" < _frozen_at(comment) < _days_ago(days)
        for prefix, days in _LEFT_AFTER_DAYS.items()
    )


def _days_ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


def _frozen_at(comment: str) -> str:
    try:
        return str(json.loads(comment)["frozen_at"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
