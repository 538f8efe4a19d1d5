"""Which rows to train on when there are more than help: a share of each regime."""

import math
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from ml.contract import REGIMES
from ml.samples import Population
from ml.split import split_by_time


@dataclass(frozen=True)
class ThinningPlan:
    """What to read of a large snapshot.

    Attributes:
        before: rows older than this are training rows; only they are thinned.
        quotas: how many of them stay, by regime in the order of `REGIMES`.
        population: what the rows that are read are a part of.
    """

    before: np.datetime64
    quotas: tuple[int, ...]
    population: Population


def plan_thinning(
    timestamps: NDArray[np.datetime64],
    rows: NDArray[np.int64],
    holdout_fraction: float,
    embargo: timedelta,
    most: int,
) -> ThinningPlan | None:
    """Bounds the training rows; the holdout is cut where it would be cut without.

    Args:
        timestamps: datetime64[s] `[t]`, rising.
        rows: int64 `[t, 7]`, how many each timestamp has of each regime.
        holdout_fraction: newest share kept for the verdict.
        embargo: gap between training and holdout.
        most: training rows at most, at least 7.

    Returns:
        The plan; None if no row has to go.

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
    return ThinningPlan(before, tuple(map(int, quotas)), population)


def _quotas(of_regime: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Shares of just `most` rows; a regime that occurs keeps at least one."""
    available, shares = of_regime.sum(), of_regime * most
    quotas = np.where(of_regime > 0, np.maximum(1, shares // available), 0)
    while quotas.sum() < most:
        quotas[np.argmax(shares - quotas * available)] += 1
    while quotas.sum() > most:
        quotas[np.argmax(quotas)] -= 1
    return quotas
