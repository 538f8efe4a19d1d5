"""Splits samples by time, never at random: neighbouring samples share most of their window.

A model is judged on days it has not seen, as it will be used. Between training and judging lies an
embargo, because a label may look ahead and a feature looks back (Lopez de Prado, Advances in
Financial Machine Learning, 2018, chapter 7).
"""

import math
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from ml.errors import ModelError, TooFewSamples

MIN_HOLDOUT_SAMPLES = 20
"""Fewest samples a verdict is spoken on: with 20, an accuracy of 65% is known to 21 points."""

Timestamps = NDArray[np.datetime64]


@dataclass(frozen=True)
class TimeSplit:
    """Two parts of sorted samples with a gap between them.

    Attributes:
        cut: first timestamp of the holdout; the same for all symbols.
        training: rows with `t < cut - embargo`.
        holdout: rows with `t >= cut`; of a fold, up to where the next fold starts.
    """

    cut: np.datetime64
    training: slice
    holdout: slice

    @property
    def train_samples(self) -> int:
        """Number of training rows."""
        return int(self.training.stop - self.training.start)

    @property
    def holdout_samples(self) -> int:
        """Number of holdout rows."""
        return int(self.holdout.stop - self.holdout.start)

    @property
    def embargoed_samples(self) -> int:
        """Number of rows in the gap, which neither part uses."""
        return int(self.holdout.start - self.training.stop)


def split_by_time(timestamps: Timestamps, holdout_fraction: float, embargo: timedelta) -> TimeSplit:
    """Keeps the newest share of the samples for the verdict.

    Args:
        timestamps: datetime64[s] `[n]`, sorted.
        holdout_fraction: wanted share of the holdout, between 0 and 1. Samples of one timestamp
            stay together, so the share is the nearest one that ties allow.
        embargo: how far before the cut training ends; not negative.

    Raises:
        TooFewSamples: if holdout or training is left with too few rows.

    >>> hours = np.arange("2026-11-01", "2026-11-05", dtype="datetime64[h]")
    >>> split = split_by_time(hours.astype("datetime64[s]"), 0.25, timedelta(hours=6))
    >>> split.train_samples, split.embargoed_samples, split.holdout_samples
    (66, 6, 24)
    """
    if not 0 < holdout_fraction < 1 or embargo < timedelta(0):
        raise ModelError(
            f"The holdout share is {holdout_fraction} and the embargo {embargo}",
            "choose HOLDOUT_FRACTION between 0 and 1 and EMBARGO_HOURS of at least 0",
        )
    n = len(timestamps)
    start = _nearest_boundary(timestamps, n - round(n * holdout_fraction))
    if n - start < MIN_HOLDOUT_SAMPLES:
        raise TooFewSamples(
            f"holdout's samples out of {n}",
            n - start,
            MIN_HOLDOUT_SAMPLES,
            f"raise HOLDOUT_FRACTION ({holdout_fraction:g}) or label more",
        )
    split = _split_at(timestamps, start, n, embargo)
    if split.train_samples < 1:
        hours = embargo / timedelta(hours=1)
        raise TooFewSamples(
            f"training samples older than the cut at {split.cut} less {hours:g} hours",
            split.train_samples,
            1,
            f"lower EMBARGO_HOURS ({hours:g}) or HOLDOUT_FRACTION ({holdout_fraction:g}), "
            "or label more of the past",
        )
    return split


def split_at(timestamps: Timestamps, cut: np.datetime64, embargo: timedelta) -> TimeSplit:
    """Splits sorted samples at a cut, the holdout's first timestamp, that is known already."""
    start = int(np.searchsorted(timestamps, cut, side="left"))
    return _split_at(timestamps, start, len(timestamps), embargo)


def time_folds(timestamps: Timestamps, folds: int, embargo: timedelta) -> tuple[TimeSplit, ...]:
    """Forward chaining for cross-validation: each fold trains on the past of what it scores.

    The samples are cut into `folds + 1` runs of about equal size; fold k scores run k and trains on
    everything before it, less the embargo. Folds left without rows are not returned.

    >>> days = np.arange("2026-11-01", "2026-11-13", dtype="datetime64[D]").astype("datetime64[s]")
    >>> [
    ...     (f.training.stop, f.holdout.start, f.holdout.stop)
    ...     for f in time_folds(days, 3, timedelta(days=1))
    ... ]
    [(2, 3, 6), (5, 6, 9), (8, 9, 12)]
    """
    n = len(timestamps)
    edges = [_nearest_boundary(timestamps, n * k // (folds + 1)) for k in range(1, folds + 1)]
    runs = zip(edges, [*edges[1:], n], strict=True)
    splits = [_split_at(timestamps, start, end, embargo) for start, end in runs if start < end]
    return tuple(split for split in splits if split.train_samples > 0)


def require_two_regimes(labels: NDArray[np.uint8]) -> None:
    """Refuses training labels that leave nothing to tell apart.

    Raises:
        TooFewSamples: if they name fewer than two regimes.
    """
    found = len(np.unique(labels))
    if found < 2:
        raise TooFewSamples(
            f"different regimes among the {len(labels)} training samples",
            found,
            2,
            "lower EMBARGO_HOURS or HOLDOUT_FRACTION, or label more regimes of the past",
        )


def _nearest_boundary(timestamps: Timestamps, row: int) -> int:
    """The row nearest to `row` that opens a timestamp; of two as near, the earlier."""
    n = len(timestamps)
    if row >= n:
        return n
    start = int(np.searchsorted(timestamps, timestamps[row], side="left"))
    end = int(np.searchsorted(timestamps, timestamps[row], side="right"))
    # Going on to the end of the newest timestamp would leave nothing to score.
    return end if end - row < row - start and end < n else start


def _split_at(timestamps: Timestamps, start: int, end: int, embargo: timedelta) -> TimeSplit:
    cut = timestamps[start]
    gap = np.timedelta64(math.ceil(embargo.total_seconds()), "s")
    stop = int(np.searchsorted(timestamps, cut - gap, side="left"))
    return TimeSplit(cut, slice(0, stop), slice(start, end))
