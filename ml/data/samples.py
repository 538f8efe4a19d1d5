"""The labelled samples of a run as arrays, checked once. Where they come from is not its matter."""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.contract import FEATURES, REGIMES
from ml.errors import ModelError
from ml.words import moment

Selection = slice | NDArray[np.bool_] | NDArray[np.intp]
_READ_AGAIN = "clear the run from check_data on, so that the samples are frozen and read again"


@dataclass(frozen=True)
class Coverage:
    """How much of labelled samples is independent: neighbours and symbols of one day are not.

    Attributes:
        days: calendar days (UTC) that have a sample.
        runs: runs of one regime in the samples of a symbol, summed over symbols; at most
            `days` times the number of symbols and regimes, however many rows there are.
    """

    days: int
    runs: int

    def __str__(self) -> str:
        return f"{self.days} days and {self.runs} runs of one regime"


@dataclass(frozen=True)
class Population:
    """What samples are a part of, when older ones were left out.

    Attributes:
        cut: first timestamp of the holdout, which has all its rows.
        samples: labelled samples in all.
        train_samples: those old enough to train on.
        class_counts: by regime, of all.
    """

    cut: np.datetime64
    samples: int
    train_samples: int
    class_counts: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Samples:
    """Labelled samples, sorted by (timestamp, symbol).

    Attributes:
        features: float32 `[n, 22]`, columns in the order of `FEATURES`, all finite.
        labels: uint8 `[n]`, index into `REGIMES`.
        timestamps: datetime64[s] `[n]`, UTC.
        symbols: text `[n]`.
        population: what they are a part of; None if they are all.

    Raises:
        ModelError: if an array is not so, which the data gate should have found.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.uint8]
    timestamps: NDArray[np.datetime64]
    symbols: NDArray[Any]
    population: Population | None = None

    def __post_init__(self) -> None:
        problem = _shape_problem(self) or _value_problem(self)
        if problem:
            raise ModelError(problem, _READ_AGAIN)

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, selection: Selection) -> "Samples":
        """The selected samples in the same order; a slice copies nothing."""
        # Not made anew, which would check again what has been checked.
        part = copy(self)
        for name in ("features", "labels", "timestamps", "symbols"):
            object.__setattr__(part, name, getattr(self, name)[selection])
        object.__setattr__(part, "population", None)
        return part

    def at_most(self, rows: int) -> "Samples":
        """So many of the samples in the same order, always the same; all if there are no more."""
        if len(self) <= rows:
            return self
        # Evenly spaced rows could all be of one symbol.
        drawn = np.random.default_rng(0).choice(len(self), rows, replace=False, shuffle=False)
        return self.rows(np.sort(drawn))

    def rows_by_symbol(self) -> dict[str, NDArray[np.intp]]:
        """The rows of each symbol, in the same order; the symbol with most rows first."""
        symbols = self.symbols.tolist()
        names = sorted(set(symbols))
        number = {name: k for k, name in enumerate(names)}
        # As small integers, which are sorted in one pass.
        which = np.fromiter(map(number.get, symbols), np.min_scalar_type(len(names)))
        ends = np.cumsum(np.bincount(which, minlength=len(names)))
        parts = np.split(np.argsort(which, kind="stable"), ends[:-1])
        found = zip(names, parts, strict=True)
        return dict(sorted(found, key=lambda pair: -len(pair[1])))

    def coverage(self) -> Coverage:
        """How much of them is independent: days, and runs of one regime in a symbol's samples."""
        days = len(np.unique(self.timestamps.astype("datetime64[D]")))
        labels = (self.labels[rows] for rows in self.rows_by_symbol().values())
        runs = sum(1 + int(np.count_nonzero(of[1:] != of[:-1])) for of in labels)
        return Coverage(days, runs)

    def class_counts(self) -> dict[str, int]:
        """How many samples each of the regimes has, in the order of `REGIMES`."""
        counts = np.bincount(self.labels, minlength=len(REGIMES))
        return dict(zip(REGIMES, map(int, counts), strict=True))


def utc(timestamp: np.datetime64) -> datetime:
    """A sample's timestamp as an aware datetime.

    >>> utc(np.datetime64("2026-11-22T02:00:00")).isoformat()
    '2026-11-22T02:00:00+00:00'
    """
    moment: datetime = timestamp.astype("datetime64[s]").item()
    return moment.replace(tzinfo=UTC)


def moment_of(text: str) -> np.datetime64:
    """A time as `metrics.json` has it, in UTC and seconds as the samples have theirs.

    Raises:
        ValueError: if it is none.

    >>> moment_of("2026-11-22T02:00:00+00:00") == np.datetime64("2026-11-22T02:00:00")
    np.True_
    """
    then = moment(text)
    if then is None:
        raise ValueError(f"{text!r} is no ISO 8601 time")
    return np.datetime64(then.replace(tzinfo=None), "s")


def _shape_problem(samples: Samples) -> str | None:
    n = len(samples.labels)
    expected = {
        "features": ((n, len(FEATURES)), "float32"),
        "labels": ((n,), "uint8"),
        "timestamps": ((n,), "datetime64[s]"),
        "symbols": ((n,), None),
    }
    for name, (shape, kind) in expected.items():
        array: NDArray[Any] = getattr(samples, name)
        if array.shape != shape or kind not in (None, str(array.dtype)):
            found = f"{array.dtype}{list(array.shape)}"
            return f"The samples' {name} are {found} instead of {kind or 'text'}{list(shape)}"
    return None


def _value_problem(samples: Samples) -> str | None:
    unknown = int(np.count_nonzero(samples.labels >= len(REGIMES)))
    if unknown:
        return f"{unknown} samples have a label that is none of the {len(REGIMES)} regimes"
    if np.isnat(samples.timestamps).any():
        return "There are samples without a timestamp"
    earlier, later = samples.timestamps[:-1], samples.timestamps[1:]
    tied = np.flatnonzero(earlier == later)
    if (earlier > later).any() or (samples.symbols[tied] > samples.symbols[tied + 1]).any():
        return "The samples are not sorted by timestamp and symbol"
    if (samples.symbols[tied] == samples.symbols[tied + 1]).any():
        return "There are symbols with two samples of one timestamp"
    return _infinite_problem(samples.features)


def _infinite_problem(features: NDArray[np.float32]) -> str | None:
    # Finite float32 values cannot overflow a float64 sum, so the sums need no mask of n x 22.
    with np.errstate(invalid="ignore"):
        sums = features.sum(axis=0, dtype=np.float64)
    bad = [name for name, total in zip(FEATURES, sums, strict=True) if not np.isfinite(total)]
    return f"Not every value of {', '.join(bad)} is a finite float32 number" if bad else None
