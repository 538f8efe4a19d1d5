"""Measures how well labels were named: arrays in, numbers out, no models and no files."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

from ml.contract import REGIMES

Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class RegimeScore:
    """How well one regime was named.

    Attributes:
        regime: its name.
        precision: share of rows named so that are so; 0 if none was named so.
        recall: share of rows that are so that were named so; 0 if there is none.
        support: rows that are so.
    """

    regime: str
    precision: float
    recall: float
    support: int


@dataclass(frozen=True)
class Scores:
    """How well labels were named.

    Attributes:
        rows: number of rows, at least 1.
        correct: rows named rightly.
        balanced_accuracy: mean recall of the regimes that occur.
        macro_f1: mean F1 of the regimes that occur or were named.
        regimes: one entry for each of `REGIMES`.
        confusion: rows are the true regimes, columns the named ones, `[7][7]`.
    """

    rows: int
    correct: int
    balanced_accuracy: float
    macro_f1: float
    regimes: tuple[RegimeScore, ...]
    confusion: tuple[tuple[int, ...], ...]

    @property
    def accuracy(self) -> float:
        """Share of rows named rightly."""
        return self.correct / self.rows


def evaluate(truth: Labels, named: Labels) -> Scores:
    """Scores named labels against the true ones.

    Args:
        truth: indices into `REGIMES` `[n]`, n at least 1.
        named: what a model said `[n]`.

    >>> scores = evaluate(np.array([0, 0, 2, 2]), np.array([0, 0, 2, 3]))
    >>> scores.accuracy, scores.balanced_accuracy, round(scores.macro_f1, 3)
    (0.75, 0.75, 0.556)
    """
    known = range(len(REGIMES))
    precision, recall, _, support = precision_recall_fscore_support(
        truth, named, labels=known, zero_division=0
    )
    # sklearn's balanced_accuracy_score is this mean, but warns of regimes named that do not occur.
    balanced = recall[support > 0].mean()
    table = zip(REGIMES, precision, recall, support, strict=True)
    return Scores(
        rows=len(truth),
        correct=count_correct(truth, named),
        balanced_accuracy=float(balanced),
        macro_f1=float(f1_score(truth, named, average="macro", zero_division=0)),
        regimes=tuple(RegimeScore(name, float(p), float(r), int(n)) for name, p, r, n in table),
        confusion=tuple(
            tuple(map(int, row)) for row in confusion_matrix(truth, named, labels=known)
        ),
    )


def count_correct(truth: Labels, named: Labels) -> int:
    """Number of rows named rightly."""
    return int(np.count_nonzero(truth == named))


def most_frequent(class_counts: Mapping[str, int]) -> str:
    """The regime with most samples; of equals the first.

    >>> most_frequent({"trend_up": 3, "range": 5, "volatile": 5})
    'range'
    """
    return max(class_counts, key=lambda regime: class_counts[regime])
