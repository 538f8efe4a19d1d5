"""What takes no model: accuracies that a candidate must be seen beside."""

import numpy as np
from numpy.typing import NDArray

from ml.contract import REGIMES
from ml.evaluation import count_correct, most_frequent
from ml.samples import Samples


def baseline_accuracies(samples: Samples, training: slice, holdout: slice) -> dict[str, float]:
    """Accuracy on the holdout of two guesses that look at no feature.

    Args:
        samples: every labelled sample.
        training: rows of the training.
        holdout: rows to guess, at least 1.

    Returns:
        `most_frequent`: always the regime most frequent in training. `last_label`: the label that
        the symbol had before, or else the most frequent one. The latter knows labels up to the
        very row, which no model is given: where regimes last, it is hard to beat.
    """
    truth = samples.labels[holdout]
    usual = REGIMES.index(most_frequent(samples.rows(training).class_counts()))
    guesses = {
        "most_frequent": np.full(len(truth), usual),
        "last_label": _labels_before(samples, usual)[holdout],
    }
    return {name: count_correct(truth, guess) / len(truth) for name, guess in guesses.items()}


def _labels_before(samples: Samples, otherwise: int) -> NDArray[np.uint8]:
    """The label of the symbol's sample before each sample `[n]`."""
    before = np.full(len(samples), otherwise, np.uint8)
    for rows in samples.rows_by_symbol().values():
        before[rows[1:]] = samples.labels[rows[:-1]]
    return before
