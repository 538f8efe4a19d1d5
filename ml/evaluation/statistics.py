"""How sure a measured accuracy, or a difference of two, is: arrays and counts in, numbers out.

Labelled rows are not independent: a regime lasts for days, and a model that misses it misses all
of its rows, on all symbols at once. So intervals come from a block bootstrap in time, which keeps
neighbours together. McNemar's test knows nothing of that; its p-value is the field's standard, and
too small where errors come in runs.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

Values = NDArray[np.floating[Any]]

_RESAMPLES: Final = 2_000
_LEVEL: Final = 0.95
_AT_ONCE: Final = 4_000_000
_MIN_BLOCKS: Final = 8
"""With fewer different blocks, resamples are too alike to say anything about the spread."""


@lru_cache(4096)
def mcnemar_p_value(only_first: int, only_second: int) -> float:
    """Chance that equally good models differ on as many rows, or more one-sidedly so.

    The exact, two-sided test of McNemar (Psychometrika 12, 1947), recommended for two classifiers
    on one test set by Dietterich (Neural Computation 10, 1998).

    Args:
        only_first: rows that only the first model predicted correctly.
        only_second: rows that only the second one did.

    >>> round(mcnemar_p_value(9, 1), 4), mcnemar_p_value(0, 0)
    (0.0215, 1.0)
    """
    disagreed = only_first + only_second
    return float(binomtest(only_first, disagreed).pvalue) if disagreed else 1.0


def bootstrap_interval(
    values: Values, timestamps: NDArray[np.datetime64], level: float = _LEVEL
) -> list[float] | None:
    """An interval of a mean over rows, 95% if not said, by a circular block bootstrap in time.

    Rows of one timestamp stay together, and so do those of neighbouring timestamps (Politis and
    Romano, 1992). How many is chosen by `block_length`. The same rows give the same interval.

    Args:
        values: one number a row `[n]`, such as 1 where a model was right.
        timestamps: of the rows `[n]`, sorted.
        level: share of the resamples within.

    Returns:
        Both ends; None where there are fewer than eight blocks, which say nothing.
    """
    means = resampled_means(values, timestamps)
    return None if means is None else middle(means[0], level)


def prediction_interval(shares: Values, timestamps: NDArray[np.datetime64]) -> list[float] | None:
    """The 95% interval of an accuracy to come, on as many rows of as long a stretch that follow.

    What follows is a draw like what was measured, so both scatter: the interval is that of the mean
    plus the difference of two resampled means, about 1.4 times `bootstrap_interval`. It knows of
    no change of the market.

    Args:
        shares: one number from 0 to 1 a row `[n]`, such as 1 where a model was right.
        timestamps: of the rows `[n]`, sorted.

    Returns:
        Both ends, 0 to 1; None where there are fewer than eight blocks, which say nothing.
    """
    found = resampled_means(shares, timestamps)
    if found is None:
        return None
    means, measured = found[0], float(np.mean(shares))
    half = len(means) // 2
    low, high = middle(measured + means[:half] - means[half:])
    return [max(0.0, min(low, measured)), min(1.0, max(high, measured))]


def middle(draws: Values, level: float = _LEVEL) -> list[float]:
    """Both ends of what so large a share of the draws lies between."""
    ends_of_level = np.quantile(draws, ((1 - level) / 2, (1 + level) / 2))
    return [float(end) for end in ends_of_level]


def resampled_means(values: Values, timestamps: NDArray[np.datetime64]) -> Values | None:
    """Means of resamples by a circular block bootstrap in time, each independent of the others.

    Args:
        values: one number a row `[n]`, or several `[n, k]`, which then are resampled alike, so
            that their differences are those of the same rows.
        timestamps: of the rows `[n]`, sorted.

    Returns:
        `[k, 2000]`; None where there are fewer than eight blocks, which say nothing.
    """
    sums, rows = _by_moment(np.asarray(values, float).reshape(len(values), -1).T, timestamps)
    moments, columns = len(rows), len(sums)
    # The last column says how long neighbours are alike.
    length = block_length(sums[-1] - rows * (sums[-1].sum() / rows.sum()))
    if moments < _MIN_BLOCKS * length:
        return None
    blocks = -(-moments // length)
    # Twice round the circle, so that no block has an end.
    totals = np.stack([np.r_[0.0, np.cumsum(np.r_[part, part])] for part in (*sums, rows)])
    last = moments - (blocks - 1) * length
    of_block, of_last = (
        totals[:, size : moments + size] - totals[:, :moments] for size in (length, last)
    )
    rng = np.random.default_rng(0)
    means = np.empty((columns, _RESAMPLES))
    step = max(1, _AT_ONCE // (blocks * columns))
    for first in range(0, _RESAMPLES, step):
        part = slice(first, min(first + step, _RESAMPLES))
        starts = rng.integers(moments, size=(part.stop - part.start, blocks))
        drawn = of_block[:, starts[:, :-1]].sum(axis=2) + of_last[:, starts[:, -1]]
        means[:, part] = drawn[:-1] / drawn[-1]
    return means


@dataclass(frozen=True)
class Leads:
    """Leads of several ways over one, a share of rows `[r]` each, with both ends of an interval."""

    lead: Values
    low: Values
    high: Values


def searched_leads(gained: Values, rows: Values, seed: int = 0) -> Leads | None:
    """The 95% intervals of paired leads that hold for all of them at once, however many were tried.

    A circular block bootstrap over the periods draws the same ones for each way; the bound is the
    quantile of the largest studentized deviation among them (White, Econometrica 68, 2000, as
    Romano and Wolf, Econometrica 73, 2005, studentize it). With one way it is an ordinary interval.

    Args:
        gained: rows that each way predicted correctly beyond those of the other `[r, periods]`.
        rows: of each period `[periods]`.
        seed: same numbers and seed, same intervals.

    Returns:
        The leads; None with fewer than eight periods. A block is at most an eighth of the periods.
    """
    periods = len(rows)
    if periods < _MIN_BLOCKS or not rows.sum():
        return None
    lead = gained.sum(axis=1) / rows.sum()
    apart = gained - np.outer(lead, rows)
    length = min(max(map(block_length, apart), default=1), periods // _MIN_BLOCKS)
    rng = np.random.default_rng(seed)
    starts = rng.integers(periods, size=(_RESAMPLES, -(-periods // length)))
    drawn = (starts[:, :, None] + np.arange(length)).reshape(_RESAMPLES, -1)[:, :periods] % periods
    weights = np.stack([np.bincount(draw, minlength=periods) for draw in drawn])
    deviations = (apart @ weights.T) / np.maximum(weights @ rows, 1)
    spread = deviations.std(axis=1)
    differs = spread > 0
    largest = np.abs(deviations[differs] / spread[differs, None]).max(axis=0, initial=0)
    half = spread * np.quantile(largest, _LEVEL)
    return Leads(lead, lead - half, lead + half)


def block_length(series: Values) -> int:
    """How many neighbours a block of the bootstrap should hold, from how long they are alike.

    The rule of Politis and White (Econometric Reviews 23, 2004) with the correction of Patton,
    Politis and White (Econometric Reviews 28, 2009) for the circular bootstrap.

    Args:
        series: numbers in time order `[m]`, mean about zero.

    Returns:
        Number of neighbours, at least 1.
    """
    count = len(series)
    variance = float(series @ series) / count
    if variance == 0:
        return 1
    quiet = max(5, int(np.sqrt(np.log10(count))))
    lags = min(count - 1, int(np.ceil(np.sqrt(count))) + quiet)
    alike = _autocovariances(series, lags) / variance
    bound = 2 * np.sqrt(np.log10(count) / count)
    large = np.flatnonzero(np.abs(alike[1:]) > bound) + 1
    # The last lag that counts: after it, `quiet` ones in a row do not.
    cut = next((int(lag) for lag in (0, *large) if not _any_in(large, lag, lag + quiet)), lags)
    if cut == 0:
        return 1
    window = min(2 * cut, lags)
    steps = np.arange(1, window + 1)
    # The flat-top window: whole up to its middle, then falling to zero.
    weights = np.clip(2 * (1 - steps / window), 0, 1)
    slope = 2 * float(np.sum(weights * steps * alike[1 : window + 1]))
    spectrum = 1 + 2 * float(np.sum(weights * alike[1 : window + 1]))
    if spectrum <= 0 or slope <= 0:
        return 1
    best = (1.5 * slope**2 / spectrum**2 * count) ** (1 / 3)
    return int(np.clip(np.ceil(best), 1, count))


def _autocovariances(series: Values, lags: int) -> Values:
    count = len(series)
    return np.array([series[: count - lag] @ series[lag:] for lag in range(lags + 1)]) / count


def _any_in(found: NDArray[np.intp], after: int, until: int) -> bool:
    return bool(((found > after) & (found <= until)).any())


def _by_moment(values: Values, timestamps: NDArray[np.datetime64]) -> tuple[Values, Values]:
    """Sums of the values `[k, n]`, and number of rows, of each timestamp."""
    starts = np.flatnonzero(np.r_[True, timestamps[1:] != timestamps[:-1]])
    rows = np.diff(np.r_[starts, len(timestamps)]).astype(float)
    return np.add.reduceat(values, starts, axis=1), rows
