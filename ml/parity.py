"""Proves that an exported file answers like the forest it came from, also on the split thresholds.

Rounding a threshold the wrong way sends rows to the other leaf only when a feature lies exactly on
it, so random rows would not show it. onnxruntime 1.26.0 got Random Forests wrong; the next such
thing is to stop here, before a candidate exists.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from ml.contract import FEATURES, REGIMES
from ml.errors import ModelBroken
from ml.onnx_model import check_contract, load_model, score

TOLERANCE = 1e-5
_MOST_ROWS = 20_000
_THRESHOLD_ROWS = 1_000


def check_parity(
    forest: RandomForestClassifier, model: bytes, X: NDArray[np.floating[Any]]
) -> None:
    """Compares file and forest on rows of X and on rows made of the forest's own thresholds.

    Labels must be equal, and probabilities within 1e-5. Where the forest's two best regimes are
    that close to each other, either may be named: the last bit of a sum decides there.

    Args:
        forest: what was exported.
        model: the file.
        X: `[n, 22]` real rows; of many rows an even share is taken.

    Raises:
        ModelBroken: naming what differed.
    """
    name = "exported model"
    session = load_model(model, name)
    check_contract(session, name)
    step = max(1, -(-len(X) // _MOST_ROWS))
    rows = np.concatenate([X[::step].astype(np.float64), threshold_rows(forest, X)])
    labels, probabilities = score(session, rows, name)
    problems = _differences(_canonical_probabilities(forest, rows), labels, probabilities)
    if problems:
        remedy = "keep the run's log and report it; another onnxruntime version may compute rightly"
        raise ModelBroken(name, problems, remedy)


def threshold_rows(
    forest: RandomForestClassifier, X: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """Rows whose features lie exactly on split thresholds, and one float64 step either side.

    Args:
        forest: whose thresholds.
        X: `[n, 22]`; fills the features no tree splits on.

    Returns:
        float64 `[3000, 22]`.
    """
    trees = [estimator.tree_ for estimator in forest.estimators_]
    features = np.concatenate([tree.feature for tree in trees])
    thresholds = np.concatenate([tree.threshold for tree in trees])
    rng = np.random.default_rng(0)
    rows = X[rng.integers(len(X), size=_THRESHOLD_ROWS)].astype(np.float64)
    for column in range(len(FEATURES)):
        found = np.unique(thresholds[features == column])
        if len(found):
            rows[:, column] = rng.choice(found, _THRESHOLD_ROWS)
    return np.concatenate([rows, np.nextafter(rows, np.inf), np.nextafter(rows, -np.inf)])


def _canonical_probabilities(
    forest: RandomForestClassifier, rows: NDArray[np.float64]
) -> NDArray[np.float64]:
    canonical = np.zeros((len(rows), len(REGIMES)))
    canonical[:, forest.classes_] = forest.predict_proba(rows)
    return canonical


def _differences(
    expected: NDArray[np.float64], labels: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> tuple[str, ...]:
    far = np.abs(expected - probabilities).max(axis=1) > TOLERANCE
    named = np.take_along_axis(expected, labels[:, None], axis=1)[:, 0]
    wrong = named < expected.max(axis=1) - TOLERANCE
    absent = (probabilities != 0) & ~expected.any(axis=0)
    found = {
        f"probabilities differ by more than {TOLERANCE:g}": far,
        "labels differ": wrong,
        "an unseen regime has a probability": absent.any(axis=1),
    }
    return tuple(
        f"{what} in {np.count_nonzero(rows)} of {len(rows)} rows"
        for what, rows in found.items()
        if rows.any()
    )
