"""Reads samples of a frozen table: all, the newest, or as many as help to train."""

import math
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from clickhouse.lookup import find_rows, neighbours, symbols_of
from clickhouse.reading import read_samples
from clickhouse.snapshot import Snapshot
from clickhouse.thinning import Thinning, count_by_time
from clickhouse.watching import midnight, rows_by_day, rows_of_days, server_time, thinned_to
from ml.contract import FEATURES, REGIMES
from ml.data.samples import Population, Samples
from ml.data.split import split_by_time
from ml.errors import ModelError


def read_training_rows(
    engine: Engine, snapshot: Snapshot, holdout_fraction: float, embargo: timedelta, most: int
) -> Samples:
    """Reads holdout and embargo whole, and at most so many of the older rows, in time order."""
    plan = None
    if snapshot.rows > most:
        counts = count_by_time(engine, snapshot, REGIMES)
        plan = plan_thinning(counts.timestamps, counts.rows, holdout_fraction, embargo, most)
    if plan is None:
        return read_rows(engine, snapshot)
    thinning, population = plan
    columns = read_samples(engine, snapshot, FEATURES, REGIMES, thinning=thinning)
    return Samples(**columns, population=population)


def read_rows(engine: Engine, snapshot: Snapshot) -> Samples:
    """Reads all rows of a snapshot."""
    return Samples(**read_samples(engine, snapshot, FEATURES, REGIMES))


def read_rows_since(
    engine: Engine, snapshot: Snapshot, since: np.datetime64, until: np.datetime64 | None = None
) -> Samples:
    """Reads the rows from a moment on, such as the holdout, and before another if one is given."""
    before = f"toUInt32(timestamp) < {until.astype('datetime64[s]').astype(int)}" if until else ""
    columns = read_samples(engine, snapshot, FEATURES, REGIMES, since=since, condition=before)
    return Samples(**columns)


def read_labels(engine: Engine, snapshot: Snapshot) -> Samples:
    """Reads all rows of a snapshot, with 0 for each feature, which takes no memory."""
    columns = read_samples(engine, snapshot, (), REGIMES)
    columns["features"] = np.broadcast_to(np.float32(0), (len(columns["labels"]), len(FEATURES)))
    return Samples(**columns)


def read_watched_rows(engine: Engine, copy: Snapshot, condition: str) -> dict[str, NDArray[Any]]:
    """Reads rows as `SampleColumns`, finite or not; the label of those without one is 7."""
    found = read_samples(engine, copy, FEATURES, (*REGIMES, ""), condition=condition)
    return {name: np.asarray(values) for name, values in found.items()}


MOST_ASKED: Final = 100_000
"""Rows that a model is asked about; of more, the first of each symbol and step of time is."""
_NEWEST_DAYS: Final = 30
_COPIED: Final = 2_000_000
"""Rows at most, or one day of them, that are copied to be asked about."""


def newest_unlabelled_rows(engine: Engine, database: str | None) -> dict[str, NDArray[Any]]:
    """Reads the rows without a label of the newest 30 days, of fewer if there are millions.

    They are copied to the database for that; None for the connection's own.

    Returns:
        As `read_watched_rows`; of more than 100,000 the first of each symbol and step of time.
    """
    now = server_time(engine)
    since, total = now.date(), 0
    rows = rows_by_day(engine, since - timedelta(days=_NEWEST_DAYS - 1), now)
    for day, count in sorted(rows.items(), reverse=True):
        total += count
        if total > _COPIED and total > count:
            break
        since = day
    with rows_of_days(
        engine, midnight(since), now, FEATURES, REGIMES, labelled=False, database=database
    ) as copy:
        found = read_watched_rows(engine, copy, thinned_to(engine, copy, MOST_ASKED)[0])
    return {name: values[found["labels"] == len(REGIMES)] for name, values in found.items()}


def read_row(engine: Engine, symbol: str, timestamp: str) -> list[float]:
    """Reads the features of one row of the source table, labelled or not, at an ISO 8601 UTC time.

    Raises:
        ModelError: if there is none, saying which are nearest.
    """
    found = find_rows(engine, [(symbol, timestamp)], FEATURES)
    if found:
        return found[symbol, timestamp]
    near = neighbours(engine, (symbol, timestamp))
    if near:
        raise ModelError(f"{symbol} has no row at {timestamp}", f"the nearest: {' or '.join(near)}")
    names = symbols_of(engine)
    alike = get_close_matches(symbol, names, 3, 0.5) or names[:5]
    problem = f"There is no row of {symbol}"
    raise ModelError(problem, f"take another symbol, such as {', '.join(alike)}")


def plan_thinning(
    timestamps: NDArray[np.datetime64],
    rows: NDArray[np.int64],
    holdout_fraction: float,
    embargo: timedelta,
    most: int,
) -> tuple[Thinning, Population] | None:
    """Bounds the training rows; the holdout is cut where it would be cut without.

    Args:
        timestamps: datetime64[s] `[t]`, rising.
        rows: int64 `[t, 7]`, how many each timestamp has of each regime.
        holdout_fraction: newest share kept for the verdict.
        embargo: gap between training and holdout.
        most: training rows at most, at least 7.

    Returns:
        What to leave out, and what the rest is a part of; None if no row has to go.

    Raises:
        TooFewSamples: if the split leaves too little on one side.
    """
    split = split_by_time(np.repeat(timestamps, rows.sum(axis=1)), holdout_fraction, embargo)
    available = split.train_samples
    if available <= most:
        return None
    before = split.cut - np.timedelta64(math.ceil(embargo.total_seconds()), "s")
    of_regime = rows[timestamps < before].sum(axis=0)
    quotas = _quotas(of_regime, most)
    counts = dict(zip(REGIMES, map(int, rows.sum(axis=0)), strict=True))
    population = Population(split.cut, int(rows.sum()), available, counts)
    return Thinning(before, tuple(map(int, quotas))), population


def _quotas(of_regime: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Shares of just `most` rows; a regime that occurs keeps at least one."""
    available, shares = of_regime.sum(), of_regime * most
    quotas = np.where(of_regime > 0, np.maximum(1, shares // available), 0)
    while quotas.sum() < most:
        quotas[np.argmax(shares - quotas * available)] += 1
    while quotas.sum() > most:
        quotas[np.argmax(quotas)] -= 1
    return quotas
