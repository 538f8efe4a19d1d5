"""How right a model is where it is sure: accuracy against the share of rows that are kept."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.contract import REGIMES
from ml.evaluation.statistics import prediction_interval

_SHARES: Final = tuple(k / 10 for k in range(10, 0, -1))
_SHARES_OF_REGIME: Final = (1.0, 0.7, 0.4)
_MIN_ROWS: Final = 20
"""Of fewer rows kept, an accuracy says next to nothing."""
_MOST_SPANS: Final = 500
"""Rows of so short a part of the holdout stay together in the bootstrap, which bounds its work."""


@dataclass(frozen=True)
class Kept:
    """The surest rows of a holdout.

    Attributes:
        regime: what was predicted; None for all.
        kept: the share of rows that was aimed at; rows that are as sure stay together.
        confidence: the lowest probability of the predicted regime among them.
        samples: how many they are.
        accuracy: the share of them predicted correctly.
        interval: 95% interval of the accuracy of as many rows that follow (`prediction_interval`);
            None if they are too few to tell.
    """

    regime: str | None
    kept: float
    confidence: float
    samples: int
    accuracy: float
    interval: list[float] | None


@dataclass(frozen=True)
class AccuracyByConfidence:
    """How far the answers of a model can be believed.

    Attributes:
        floor: accuracy asked for.
        cut: confidence from which on it is reached beyond chance: of the shares whose interval
            lies above the floor, the largest one's. None if there is none.
        rows: all rows, then fewer and surer ones.
        regimes: likewise of the rows predicted as each regime.
    """

    floor: float
    cut: float | None
    rows: list[Kept]
    regimes: list[Kept]

    def to_dict(self) -> dict[str, Any]:
        """As `metrics.json` and the file's metadata have it."""
        return asdict(self)


def accuracy_by_confidence(
    y_true: NDArray[np.integer[Any]],
    probabilities: NDArray[np.float64],
    timestamps: NDArray[np.datetime64],
    floor: float,
) -> AccuracyByConfidence:
    """Leaves out the least sure rows step by step.

    Args:
        y_true: indices into `REGIMES` `[n]`, n at least 1.
        probabilities: of each regime `[n, 7]`.
        timestamps: of the rows `[n]`, sorted.
        floor: accuracy asked for, 0 to 1.
    """
    y_pred, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    right = y_pred == y_true
    timestamps = _coarse(timestamps)
    rows = list(_steps(None, _SHARES, right, sure, timestamps))
    regimes = [
        kept
        for k, name in enumerate(REGIMES)
        if (of := y_pred == k).any()
        for kept in _steps(name, _SHARES_OF_REGIME, right[of], sure[of], timestamps[of])
    ]
    reached = (row.confidence for row in rows if row.interval and row.interval[0] >= floor)
    return AccuracyByConfidence(floor, next(reached, None), rows, regimes)


def _coarse(timestamps: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
    if len(np.unique(timestamps)) <= _MOST_SPANS:
        return timestamps
    since = (timestamps - timestamps[0]).astype(np.int64)
    coarse: NDArray[np.datetime64] = since * _MOST_SPANS // (since[-1] + 1)
    return coarse.astype("datetime64[s]")


def _steps(
    regime: str | None,
    shares: tuple[float, ...],
    right: NDArray[np.bool_],
    sure: NDArray[np.float64],
    timestamps: NDArray[np.datetime64],
) -> Iterator[Kept]:
    surest_first = np.sort(sure)[::-1]
    for share in shares:
        last = int(np.ceil(share * len(sure))) - 1
        if last + 1 < _MIN_ROWS and share < 1:
            return
        # Rounded down, so that the rows on the cut are kept by who reads it with so many digits.
        cut = np.floor(surest_first[last] * 1e4) / 1e4
        kept = sure >= cut
        interval = prediction_interval(right[kept], timestamps[kept])
        yield Kept(
            regime,
            share,
            float(cut),
            int(kept.sum()),
            round(float(right[kept].mean()), 3),
            interval and [round(end, 3) for end in interval],
        )
