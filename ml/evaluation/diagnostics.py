"""What simple rules would reach, and which features count: what a score is held against."""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession
from sklearn.base import BaseEstimator
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import QuantileTransformer
from sklearn.tree import DecisionTreeClassifier

from ml.contract import FEATURES, REGIMES
from ml.data.samples import Samples
from ml.evaluation.scores import most_frequent
from ml.inputs import INPUTS, forest_inputs
from ml.onnx_model import score


def predict_simply(
    samples: Samples, training: slice, holdout: slice
) -> dict[str, NDArray[np.integer[Any]]]:
    """What simpler rules and models than the forest predict on the holdout.

    Args:
        samples: every labelled sample.
        training: rows of the training, of at least two regimes.
        holdout: rows to predict, at least 1.

    Returns:
        y_pred `[n]` by name. `most_frequent`: always the regime most frequent in training.
        `last_label`: the label that the symbol had before, or else the most frequent one; it knows
        labels up to the very row, which no model is given: where regimes last, it is hard to beat.
        `linear`: a logistic regression, and `stump`: a tree of one split, on the forest's inputs
        and at most 2,000 of its rows.
    """
    train, held = samples.rows(training), samples.rows(holdout)
    usual = REGIMES.index(most_frequent(train.class_counts()))
    some = train.at_most(_FITTED_ROWS)
    if len(np.unique(some.labels)) < 2:
        some = train
    inputs, asked = forest_inputs(some.features), forest_inputs(held.features)
    # By ranks: a logistic regression on inputs with such tails would see the tails alone.
    ranks = QuantileTransformer(
        n_quantiles=min(256, len(some)), output_distribution="normal", random_state=0
    )
    models = {
        "linear": make_pipeline(ranks, LogisticRegression(max_iter=2_000, tol=1e-3)),
        "stump": DecisionTreeClassifier(max_depth=1, random_state=0),
    }
    return {
        "most_frequent": np.full(len(held), usual),
        "last_label": _labels_before(samples, usual)[holdout],
        **{name: model.fit(inputs, some.labels).predict(asked) for name, model in models.items()},
    }


def _labels_before(samples: Samples, otherwise: int) -> NDArray[np.uint8]:
    """The label of the symbol's sample before each sample `[n]`."""
    before = np.full(len(samples), otherwise, np.uint8)
    for rows in samples.rows_by_symbol().values():
        before[rows[1:]] = samples.labels[rows[:-1]]
    return before


_FITTED_ROWS: Final = 2_000
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
