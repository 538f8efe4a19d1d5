"""Fits the Random Forest on binned inputs; no files, no ONNX."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from ml.inputs import forest_inputs
from ml.threads import in_threads

ORDER_OF_WORK: Final = ("n_jobs",)
"""Options that do not change the forest."""


@dataclass(frozen=True)
class TrainingOptions:
    """How a forest is grown.

    Attributes:
        trees: number of trees.
        max_depth: deepest a tree may grow; None for no limit.
        min_samples_leaf: fewest samples of a leaf.
        max_features: share or rule for the features tried at a split.
        max_train_samples_per_tree: rows drawn for a tree if there are more: eight times faster at a
            million rows for the same accuracy.
        max_train_rows: rows read to train on if there are more: a share of each regime.
        seed: same data and seed, same forest.
        n_jobs: threads; -1 for every core. It does not change the forest.
        cv_folds: folds of the cross-validation.
        cv_trees: trees of a fold's forest; fewer, because the spread is wanted, at little cost.
        cv_rows: rows of a fold that are trained on, and that are scored, if there are more.
    """

    trees: int = 200
    max_depth: int | None = 12
    min_samples_leaf: int = 5
    max_features: str | float = "sqrt"
    max_train_samples_per_tree: int = 100_000
    max_train_rows: int = 1_000_000
    seed: int = 42
    n_jobs: int = -1
    cv_folds: int = 5
    cv_trees: int = 20
    cv_rows: int = 20_000


def fit_forest(X: NDArray[np.float32], y: NDArray[np.uint8], options: TrainingOptions) -> Pipeline:
    """Grows the forest on what it is given of the features.

    Args:
        X: float32 `[n, 22]`.
        y: indices into `REGIMES` `[n]`; regimes that do not occur are no class of the forest.
        options: how to grow it.

    Returns:
        The steps `inputs`, which is `forest_inputs`, and `forest`.
    """
    forest = grow(forest_inputs(X), y, options)
    return Pipeline([("inputs", FunctionTransformer(forest_inputs)), ("forest", forest)])


def grow(
    inputs: NDArray[np.float32], y: NDArray[np.uint8], options: TrainingOptions
) -> RandomForestClassifier:
    """Grows a forest on any inputs `[n, k]`, which it computes with in float32."""
    cap = options.max_train_samples_per_tree
    edges = bin_edges(inputs)
    forest = RandomForestClassifier(
        n_estimators=options.trees,
        max_depth=options.max_depth,
        min_samples_leaf=options.min_samples_leaf,
        max_features=options.max_features,
        # More than n would not fail but draw more rows than there are: another forest.
        max_samples=cap if len(y) > cap else None,
        random_state=options.seed,
        n_jobs=options.n_jobs,
    )
    forest.fit(as_bins(inputs, edges), y.astype(np.int64))
    split_at_edges(forest, edges)
    return forest


_MOST_BINS: Final = 255
_ROWS_FOR_QUANTILES: Final = 200_000
"""Evenly spaced; HistGradientBoosting takes as many."""

Edges = list[NDArray[np.float64]]


def bin_edges(inputs: NDArray[np.float32]) -> Edges:
    """Edges between the bins of each column of `[n, k]`, rising; a constant column has none."""
    some = inputs[:: -(-len(inputs) // _ROWS_FOR_QUANTILES)]
    return in_threads(_edges, some.T.astype(np.float64))


def _edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    shares = np.arange(1, _MOST_BINS) / _MOST_BINS
    cuts = np.unique(np.quantile(values, shares, method="midpoint"))
    return np.asarray(cuts[cuts < values.max()])


def as_bins(inputs: NDArray[np.float32], edges: Edges) -> NDArray[np.float32]:
    """How many edges lie below each value: `x <= edges[b]` is the same as `bin <= b`."""
    bins = np.empty(inputs.shape, np.float32, order="F")

    def fill(k: int) -> None:
        bins[:, k] = np.searchsorted(edges[k], inputs[:, k], side="left")

    in_threads(fill, range(len(edges)))
    return bins


def split_at_edges(forest: RandomForestClassifier, edges: Edges) -> None:
    """Turns the thresholds of a forest that was grown on bins into thresholds of raw values."""
    for estimator in forest.estimators_:
        tree: Any = estimator.tree_
        for k, found in enumerate(edges):
            of_column = tree.feature == k
            tree.threshold[of_column] = found[tree.threshold[of_column].astype(np.intp)]
