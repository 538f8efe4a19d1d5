"""Leaves out older rows of a large snapshot inside ClickHouse: the same rows on every protocol."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, text

from clickhouse.quoting import quoted
from clickhouse.snapshot import Snapshot

_HASH = "cityHash64(toString(symbol), toUInt32(timestamp))"
_EVERY = 2**64 - 1


@dataclass(frozen=True)
class Thinning:
    """Which rows are left of a snapshot.

    Attributes:
        before: rows from here on all stay.
        quotas: by regime, how many of the older rows stay: those of the smallest hash of symbol
            and timestamp, which is as good as drawn by lot and is the same at each repetition.
    """

    before: np.datetime64
    quotas: tuple[int, ...]


@dataclass(frozen=True)
class Counts:
    """How many rows of each regime each timestamp has.

    Attributes:
        timestamps: datetime64[s] `[t]`, rising.
        rows: int64 `[t, regimes]`.
    """

    timestamps: NDArray[np.datetime64]
    rows: NDArray[np.int64]


def count_by_time(engine: Engine, snapshot: Snapshot, regimes: Sequence[str]) -> Counts:
    """Counts a snapshot's rows by timestamp and regime, in ClickHouse."""
    counts = ", ".join(f"countIf(regime_label = '{regime}')" for regime in regimes)
    query = (
        f"SELECT toUInt32(timestamp) AS t, {counts} FROM {_name(snapshot)} GROUP BY t ORDER BY t"
    )
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(query))]
    table = np.array(found, np.int64).reshape(len(found), 1 + len(regimes))
    return Counts(table[:, 0].astype("datetime64[s]"), table[:, 1:])


def thinned(
    connection: Connection, snapshot: Snapshot, regimes: Sequence[str], label: str, what: Thinning
) -> str:
    """The condition, in SQL, that keeps just the rows of a thinning."""
    before = int(what.before.astype("datetime64[s]").astype(np.int64))
    largest = ", ".join(
        str(_largest_hash(connection, snapshot, f"{quoted(label)} = '{regime}'", before, quota))
        for regime, quota in zip(regimes, what.quotas, strict=True)
    )
    known = ", ".join(f"'{regime}'" for regime in regimes)
    bounds = f"CAST([{largest}] AS Array(UInt64))"
    bound = f"transform(toString({quoted(label)}), [{known}], {bounds}, toUInt64(0))"
    return f"(toUInt32(timestamp) >= {before} OR {_HASH} <= {bound})"


def _largest_hash(
    connection: Connection, snapshot: Snapshot, regime: str, before: int, quota: int
) -> int:
    older = f"FROM {_name(snapshot)} WHERE {regime} AND toUInt32(timestamp) < {before}"
    if connection.execute(text(f"SELECT count() {older}")).scalar_one() <= quota:
        return _EVERY
    smallest = f"SELECT {_HASH} AS h {older} ORDER BY h LIMIT {quota}"
    return int(connection.execute(text(f"SELECT max(h) FROM ({smallest})")).scalar_one())


def _name(snapshot: Snapshot) -> str:
    return f"{quoted(snapshot.database)}.{quoted(snapshot.table)}"
