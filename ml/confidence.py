"""Measures how far a model's probabilities can be believed: arrays in, numbers out."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import log_loss

from ml.contract import REGIMES

_BINS: Final = 10


@dataclass(frozen=True)
class ConfidenceBin:
    """Rows for whose regime the model gave about the same probability.

    Attributes:
        samples: how many rows.
        confidence: the mean probability of the regime it named.
        accuracy: the share of them that it named rightly.
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
    truth: NDArray[np.integer[Any]], probabilities: NDArray[np.float64]
) -> Confidence:
    """Compares probabilities with what was so.

    Args:
        truth: indices into `REGIMES` `[n]`, n at least 1.
        probabilities: of each regime `[n, 7]`; rows sum to 1.

    >>> sure = measure_confidence(np.array([0, 1]), np.eye(7)[[0, 0]])
    >>> sure.calibration_error, sure.bins
    (0.5, (ConfidenceBin(samples=2, confidence=1.0, accuracy=0.5),))
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    which = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    bins = tuple(
        ConfidenceBin(int(rows.sum()), float(confidence[rows].mean()), float(right[rows].mean()))
        for rows in (which == k for k in np.unique(which))
    )
    distance = sum(b.samples * abs(b.confidence - b.accuracy) for b in bins)
    return Confidence(
        log_loss=float(log_loss(truth, probabilities, labels=range(len(REGIMES)))),
        calibration_error=distance / len(truth),
        bins=bins,
    )
