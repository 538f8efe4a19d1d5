"""What the forest would lose without a group of features, on rows of the training alone."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from ml.contract import FEATURES, GROUPS
from ml.data.samples import Samples
from ml.data.split import TimeSplit, time_folds
from ml.evaluation.statistics import bootstrap_interval
from ml.inputs import INPUTS, forest_inputs
from ml.training.forest import TrainingOptions, grow

_FOLDS: Final = 2
"""The newest ones of the cross-validation: their pasts are the longest."""
_ROWS: Final = 5_000
_TREES: Final = 10
_GROWN: Final = 2
"""Forests of other seeds: small ones differ from each other by more than many groups are worth."""
_TWO_SIDED: Final = 1.96
_LITTLE: Final = 0.01
"""A group that is worth less for sure may go."""


def lose_groups(
    samples: Samples, options: TrainingOptions, embargo: timedelta
) -> list[dict[str, Any]]:
    """Cross-validates in time with and without each group of features.

    Leave-one-group-out ablation (Breck et al., The ML Test Score, 2017, Data 2). A ratio leaves
    with the group of its numerator.

    Args:
        samples: the training samples; the holdout must not be among them.
        options: how to grow a forest; here it has at most 10 trees, and a fold 5,000 rows.
        embargo: gap between a fold's training and scored rows.

    Returns:
        For each group its `group`, `features`, the accuracy `lost` without it (-1 to 1), the 95%
        `interval` of that over rows and over forests of other seeds, None if the rows are too few
        to tell, and whether it is `dispensable`: whether it is worth less than one point for sure.
        Empty without a fold.
    """
    folds = time_folds(samples.timestamps, options.cv_folds, embargo)[-_FOLDS:]
    usable = [fold for fold in folds if len(np.unique(samples.labels[fold.training])) > 1]
    small = replace(options, trees=min(options.cv_trees, _TREES))
    parts = [_Part(samples, fold, small) for fold in usable]
    if not parts:
        return []
    moments = np.concatenate([part.timestamps for part in parts])
    groups = _groups(FEATURES)
    whole = _right(parts, ())
    lost = np.stack([whole - _right(parts, names) for names in groups.values()])
    means = lost.mean(axis=2)
    # Of the mean over the forests; the middle of all groups, for one alone says next to nothing,
    # and a group without which forests guess says too much.
    middle = np.median(means.var(axis=1, ddof=1)) / chi2.median(df=_GROWN - 1) * (_GROWN - 1)
    spread = float(np.sqrt(middle / _GROWN))
    return [
        _told(group, names, of_rows.mean(axis=0), moments, spread)
        for (group, names), of_rows in zip(groups.items(), lost, strict=True)
    ]


class _Part:
    """A fold: what is trained on and what is scored, as the forest is given it."""

    def __init__(self, samples: Samples, fold: TimeSplit, options: TrainingOptions) -> None:
        train, scored = (
            samples.rows(rows).at_most(_ROWS) for rows in (fold.training, fold.holdout)
        )
        self.options, self.timestamps = options, scored.timestamps
        self.inputs, self.asked = forest_inputs(train.features), forest_inputs(scored.features)
        self.labels, self.y_true = train.labels, scored.labels

    def right(self, kept: list[int], seed: int) -> NDArray[np.float64]:
        """1 where a forest on these inputs predicts correctly `[n]`."""
        forest = grow(self.inputs[:, kept], self.labels, replace(self.options, seed=seed))
        # With more threads the order of a sum varies, and with it who wins a tie.
        forest.set_params(n_jobs=1)
        return np.asarray(forest.predict(self.asked[:, kept]) == self.y_true, float)


def _right(parts: list[_Part], without: tuple[str, ...]) -> NDArray[np.float64]:
    """1 where a forest that is not given some features predicts correctly `[forests, n]`."""
    kept = [k for k, name in enumerate(INPUTS) if name.split(" / ")[0] not in without]
    seeds = [parts[0].options.seed + k for k in range(_GROWN)]
    return np.stack([np.concatenate([part.right(kept, seed) for part in parts]) for seed in seeds])


def _told(
    group: str,
    names: tuple[str, ...],
    lost: NDArray[np.float64],
    moments: NDArray[np.datetime64],
    spread: float,
) -> dict[str, Any]:
    mean, interval = float(lost.mean()), bootstrap_interval(lost, moments)
    if interval:
        below, above = (float(np.hypot(end - mean, _TWO_SIDED * spread)) for end in interval)
        interval = [max(-1.0, mean - below), min(1.0, mean + above)]
    return {
        "group": group,
        "features": list(names),
        "lost": mean,
        "interval": interval,
        "dispensable": bool(interval and interval[1] < _LITTLE),
    }


def _groups(features: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    grouped = {name for names in GROUPS.values() for name in names}
    return {**GROUPS, **{name: (name,) for name in features if name not in grouped}}
