"""Freezes the labelled rows of a run into a table of its own, and removes old ones.

What is frozen here is what the gate validates and what training reads; the source is only read.
"""

import hashlib
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, text

from clickhouse.engine import quoted, where
from clickhouse.errors import ClickHouseRefused, SnapshotChanged
from clickhouse.shards import WHOLE, require_versions_together

SOURCE_TABLE = "regime_features"
_PREFIX = "regime_snapshot_"
_UNFINISHED = "_tmp_replace_"
"""What ClickHouse calls a table that CREATE OR REPLACE still fills; a killed server leaves it."""


@dataclass(frozen=True)
class Snapshot:
    """The frozen labelled rows of one run.

    Attributes:
        database: database of the frozen table.
        table: its name, without the database.
        rows: number of rows, each a labelled sample.
        fingerprint: 32 hex digits, equal for equal content whatever the order of the rows.
    """

    database: str
    table: str
    rows: int
    fingerprint: str

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

    Raises:
        ClickHouseRefused: if the table, a column or a right is missing, or if versions of a row
            lie on different shards of a `Distributed` table.
    """
    kept = ("symbol", "timestamp", *columns, label)
    with engine.connect() as connection:
        _require_columns(connection, source, kept)
        require_versions_together(connection, source)
        database = database or connection.execute(text("SELECT currentDatabase()")).scalar_one()
        table = table_name(run_id)
        comment = json.dumps({"run_id": run_id, "frozen_at": datetime.now(UTC).isoformat()})
        connection.execute(
            text(
                f"CREATE OR REPLACE TABLE {quoted(database)}.{quoted(table)} "
                "ENGINE = MergeTree ORDER BY (timestamp, symbol) COMMENT :comment AS "
                f"SELECT {', '.join(map(quoted, kept))} FROM {quoted(source)} FINAL "
                f"WHERE {quoted(label)} != '' SETTINGS {WHOLE}"
            ),
            {"comment": comment},
        )
        rows, fingerprint = _content(connection, database, table)
    return Snapshot(database, table, rows, fingerprint)


def extent_of(engine: Engine, source: str = SOURCE_TABLE) -> tuple[int, ...]:
    """What the source spans, labelled or not.

    Returns:
        First and last day, counted from 1970-01-01 UTC, and number of symbols; nothing if the
        table is empty.
    """
    days = "toUInt32(toDate(min(timestamp), 'UTC')), toUInt32(toDate(max(timestamp), 'UTC'))"
    query = f"SELECT count(), {days}, uniqExact(symbol) FROM {quoted(source)} SETTINGS {WHOLE}"
    with engine.connect() as connection:
        rows, *extent = connection.execute(text(query)).one()
    return tuple(map(int, extent)) if rows else ()


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


def verify(engine: Engine, snapshot: Snapshot) -> None:
    """Checks that the frozen table still holds what was frozen.

    Raises:
        SnapshotChanged: if it does not.
    """
    with engine.connect() as connection:
        rows, fingerprint = _content(connection, snapshot.database, snapshot.table)
    if (rows, fingerprint) != (snapshot.rows, snapshot.fingerprint):
        raise SnapshotChanged(snapshot.name, snapshot.fingerprint, fingerprint)


def prune(engine: Engine, database: str, *, keep: int = 10, protect: Collection[str] = ()) -> int:
    """Drops all but the newest snapshots of a database, and what killed freezes left half-made.

    Args:
        engine: an engine on the server.
        database: the snapshots' database.
        keep: how many of the newest stay.
        protect: tables that stay whatever their age, as `database.table`.

    Returns:
        How many tables were dropped.
    """
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT name, comment FROM system.tables WHERE database = :database"),
            {"database": database},
        ).all()
        ours = [(_frozen_at(comment), name) for name, comment in found if _is_ours(name)]
        newest_first = [name for _, name in sorted(ours, reverse=True)]
        old = [name for name in newest_first[keep:] if f"{database}.{name}" not in protect]
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


def _require_columns(connection: Connection, source: str, needed: Sequence[str]) -> None:
    # Without the right to read, DESCRIBE asks for another one than is needed.
    connection.execute(text(f"SELECT 1 FROM {quoted(source)} LIMIT 0"))
    described = connection.execute(text(f"DESCRIBE TABLE {quoted(source)}")).all()
    present = {row[0] for row in described}
    missing = tuple(column for column in needed if column not in present)
    if missing:
        raise ClickHouseRefused(
            where(connection.engine.url),
            f"table {source} lacks the column(s) {', '.join(missing)}.",
            "compare it with clickhouse/schema.sql and add them",
        )


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
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()  # no freeze takes that long
    return name.startswith(_UNFINISHED) and "" < _frozen_at(comment) < yesterday


def _frozen_at(comment: str) -> str:
    try:
        return str(json.loads(comment)["frozen_at"])
    except (ValueError, KeyError, TypeError):
        return ""
