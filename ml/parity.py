"""The rows on which an exported file must answer like its forest, and what the forest says there.

Rounding a threshold the wrong way sends rows to the other leaf only when a feature lies exactly on
it, so random rows would not show it. `ml.acceptance` asks the file.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from ml.contract import FEATURES, REGIMES
from ml.inputs import INPUTS, KEPT, OVER, RATIOS, UNDER

_THRESHOLD_ROWS: Final = 1_000
_SIZES: Final = (0.0, 5e-324, 1e-45, 1e-30, 1e-6, 1.0, 1e6, 1e30, 3.4e38)
"""From the least double to the largest float32: scikit-learn answers no larger one."""


def probe_rows(forest: Pipeline, X: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """The rows to compare on: every given row, rows on the thresholds, very large and tiny ones.

    Args:
        forest: whose thresholds.
        X: `[n, 22]` real rows.

    Returns:
        float64 `[n + 3018, 22]`.
    """
    sizes = np.array([sign * size for size in _SIZES for sign in (1, -1)])
    extreme = np.tile(sizes[:, None], len(FEATURES))
    return np.concatenate([X.astype(np.float64), threshold_rows(forest, X), extreme])


def threshold_rows(forest: Pipeline, X: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Rows whose inputs lie exactly on split thresholds, and one float64 step either side.

    Args:
        forest: whose thresholds.
        X: `[n, 22]`; fills the features no tree splits on.

    Returns:
        float64 `[3000, 22]`. A row has one ratio on a threshold, over a denominator of 1.
    """
    trees = [estimator.tree_ for estimator in forest[-1].estimators_]
    inputs = np.concatenate([tree.feature for tree in trees])
    thresholds = np.concatenate([tree.threshold for tree in trees])
    rng = np.random.default_rng(0)
    rows = X[rng.integers(len(X), size=_THRESHOLD_ROWS)].astype(np.float64)
    which = rng.integers(len(RATIOS), size=_THRESHOLD_ROWS)
    for column in range(len(INPUTS)):
        found = np.unique(thresholds[inputs == column])
        if not len(found):
            continue
        drawn = rng.choice(found, _THRESHOLD_ROWS)
        ratio = column - len(KEPT)
        if ratio < 0:
            rows[:, KEPT[column]] = drawn
        else:
            mine = which == ratio
            rows[mine, OVER[ratio]], rows[mine, UNDER[ratio]] = drawn[mine], 1.0
    return np.concatenate([rows, np.nextafter(rows, np.inf), np.nextafter(rows, -np.inf)])


def forest_probabilities(forest: Pipeline, rows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """What scikit-learn says `[n, 7]`, with zeros for the regimes the forest has not seen."""
    probabilities = np.zeros((len(rows), len(REGIMES)))
    probabilities[:, forest.classes_] = forest.predict_proba(rows)
    return probabilities
