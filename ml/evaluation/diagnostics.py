"""What simple rules would reach, and which features count: what a score is held against."""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession
from sklearn.base import BaseEstimator
from sklearn.inspection import permutation_importance
from sklearn.pipeline import Pipeline

from ml.contract import FEATURES, REGIMES
from ml.data.samples import Samples
from ml.evaluation.scores import count_correct, most_frequent
from ml.inputs import INPUTS
from ml.onnx_model import score


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


_SCORED_ROWS: Final = 50_000
"""One or two seconds of scoring for a forest of 200 trees."""
_MOST_REPEATS: Final = 5


class _File(BaseEstimator):  # type: ignore[misc]
    """What scikit-learn asks of a model, answered by the exported file."""

    def __init__(self, session: InferenceSession) -> None:
        self.session = session

    def fit(self, *_: Any) -> "_File":
        return self

    def predict(self, X: NDArray[np.float32]) -> NDArray[np.int64]:
        return score(self.session, X)[0]


def permutation_importances(session: InferenceSession, holdout: Samples) -> dict[str, float]:
    """Accuracy lost on the holdout, 0 to 1, when a feature's values are shuffled among the rows.

    Breiman (Random Forests, 2001), by scikit-learn's `permutation_importance`, through the file.
    Around zero, or below, the model does not need the feature, or another one says the same. Rows
    and repeats are bounded so that it takes a second or two.

    Args:
        session: the open model.
        holdout: rows it was not trained on.

    Returns:
        By feature, the most important first.
    """
    some = holdout.at_most(_SCORED_ROWS // len(FEATURES))
    found = permutation_importance(
        _File(session),
        some.features,
        some.labels,
        scoring="accuracy",
        n_repeats=int(np.clip(_SCORED_ROWS // (len(some) * len(FEATURES)), 1, _MOST_REPEATS)),
        random_state=0,
    )
    return _ranked(found.importances_mean)


def impurity_importances(forest: Pipeline) -> dict[str, float]:
    """Each feature's share of the impurity that splits took away while training, largest first.

    What a ratio took away is half its numerator's and half its denominator's.
    """
    shares = dict.fromkeys(FEATURES, 0.0)
    for name, share in zip(INPUTS, forest[-1].feature_importances_, strict=True):
        parts = name.split(" / ")
        for part in parts:
            shares[part] += share / len(parts)
    return _ranked(shares.values())


def _ranked(values: Iterable[float]) -> dict[str, float]:
    by_feature = zip(FEATURES, map(float, values), strict=True)
    return dict(sorted(by_feature, key=lambda pair: -pair[1]))
