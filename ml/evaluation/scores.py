"""Scores of predictions: accuracy, F1, confusion matrix, log loss, calibration; arrays in.

And how right a model is where it is sure: accuracy against the share of rows that are kept.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, f1_score, log_loss, precision_recall_fscore_support

from ml.contract import REGIMES
from ml.evaluation.statistics import prediction_interval

Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class RegimeScore:
    """How well one regime was predicted.

    Attributes:
        regime: its name.
        precision: share of rows predicted so that are so; 0 if none was.
        recall: share of rows that are so that were predicted so; 0 if there is none.
        support: rows that are so.
    """

    regime: str
    precision: float
    recall: float
    support: int


@dataclass(frozen=True)
class Scores:
    """How well labels were predicted.

    Attributes:
        rows: number of rows, at least 1.
        correct: rows predicted correctly.
        balanced_accuracy: mean recall of the regimes that occur.
        macro_f1: mean F1 of the regimes that occur or were predicted.
        regimes: one entry for each of `REGIMES`.
        confusion: rows are the true regimes, columns the predicted ones, `[7][7]`.
    """

    rows: int
    correct: int
    balanced_accuracy: float
    macro_f1: float
    regimes: tuple[RegimeScore, ...]
    confusion: tuple[tuple[int, ...], ...]

    @property
    def accuracy(self) -> float:
        """Share of rows predicted correctly."""
        return self.correct / self.rows


def evaluate(y_true: Labels, y_pred: Labels) -> Scores:
    """Scores predictions against the true labels, indices into `REGIMES` `[n]`, n at least 1.

    >>> scores = evaluate(np.array([0, 0, 2, 2]), np.array([0, 0, 2, 3]))
    >>> scores.accuracy, scores.balanced_accuracy, round(scores.macro_f1, 3)
    (0.75, 0.75, 0.556)
    """
    known = range(len(REGIMES))
    precision, recall, _, support = precision_recall_fscore_support(
        y_true, y_pred, labels=known, zero_division=0
    )
    # sklearn's balanced_accuracy_score is this mean, but warns of predictions that do not occur.
    balanced = recall[support > 0].mean()
    table = zip(REGIMES, precision, recall, support, strict=True)
    return Scores(
        rows=len(y_true),
        correct=count_correct(y_true, y_pred),
        balanced_accuracy=float(balanced),
        macro_f1=float(f1_score(y_true, y_pred, average="macro", zero_division=0)),
        regimes=tuple(RegimeScore(name, float(p), float(r), int(n)) for name, p, r, n in table),
        confusion=tuple(
            tuple(map(int, row)) for row in confusion_matrix(y_true, y_pred, labels=known)
        ),
    )


def count_correct(y_true: Labels, y_pred: Labels) -> int:
    """Number of rows predicted correctly."""
    return int(np.count_nonzero(y_true == y_pred))


def most_frequent(class_counts: Mapping[str, int]) -> str:
    """The regime with most samples; of equals the first.

    >>> most_frequent({"trend_up": 3, "range": 5, "volatile": 5})
    'range'
    """
    return max(class_counts, key=lambda regime: class_counts[regime])


_BINS: Final = 10


@dataclass(frozen=True)
class ConfidenceBin:
    """Rows for whose regime the model gave about the same probability.

    Attributes:
        samples: how many rows.
        confidence: the mean probability of the regime it predicted.
        accuracy: the share of them that it predicted correctly.
    """

    samples: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Confidence:
    """How far probabilities can be believed.

    Attributes:
        log_loss: mean of -ln(probability of the true regime); 0 is perfect, ln 7 = 1.95 is what
            equal probabilities get. A probability of 0 counts as 2e-16.
        calibration_error: mean distance between confidence and accuracy over the bins, weighted by
            rows, 0 to 1: the expected calibration error with ten bins of equal width (Guo et al.,
            On Calibration of Modern Neural Networks, 2017).
        bins: those that hold rows, least sure first.
    """

    log_loss: float
    calibration_error: float
    bins: tuple[ConfidenceBin, ...]


def measure_confidence(
    y_true: NDArray[np.integer[Any]], probabilities: NDArray[np.float64]
) -> Confidence:
    """Compares probabilities `[n, 7]` with what was so, indices into `REGIMES` `[n]`, n at least 1.

    >>> sure = measure_confidence(np.array([0, 1]), np.eye(7)[[0, 0]])
    >>> sure.calibration_error, sure.bins
    (0.5, (ConfidenceBin(samples=2, confidence=1.0, accuracy=0.5),))
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == y_true
    which = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    bins = tuple(
        ConfidenceBin(int(rows.sum()), float(confidence[rows].mean()), float(right[rows].mean()))
        for rows in (which == k for k in np.unique(which))
    )
    distance = sum(b.samples * abs(b.confidence - b.accuracy) for b in bins)
    return Confidence(
        log_loss=float(log_loss(y_true, probabilities, labels=range(len(REGIMES)))),
        calibration_error=distance / len(y_true),
        bins=bins,
    )


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
