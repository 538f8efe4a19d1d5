"""What the forest would lose without a group of features, on rows of the training alone."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

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
        `interval` of that, None if the rows are too few to tell, and whether it is `dispensable`:
        whether it is worth less than one point for sure. Empty without a fold.
    """
    folds = time_folds(samples.timestamps, options.cv_folds, embargo)[-_FOLDS:]
    usable = [fold for fold in folds if len(np.unique(samples.labels[fold.training])) > 1]
    small = replace(options, trees=min(options.cv_trees, _TREES))
    parts = [_Part(samples, fold, small) for fold in usable]
    if not parts:
        return []
    moments = np.concatenate([part.timestamps for part in parts])
    whole = np.concatenate([part.right(range(len(INPUTS))) for part in parts])
    return [
        _without(group, names, whole, parts, moments) for group, names in _groups(FEATURES).items()
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

    def right(self, columns: Any) -> NDArray[np.float64]:
        """1 where a forest on these inputs predicts correctly `[n]`."""
        kept = list(columns)
        forest = grow(self.inputs[:, kept], self.labels, self.options)
        # With more threads the order of a sum varies, and with it who wins a tie.
        forest.set_params(n_jobs=1)
        return np.asarray(forest.predict(self.asked[:, kept]) == self.y_true, float)


def _without(
    group: str,
    names: tuple[str, ...],
    whole: NDArray[np.float64],
    parts: list[_Part],
    moments: NDArray[np.datetime64],
) -> dict[str, Any]:
    rest = [k for k, name in enumerate(INPUTS) if name.split(" / ")[0] not in names]
    lost = whole - np.concatenate([part.right(rest) for part in parts])
    interval = bootstrap_interval(lost, moments)
    return {
        "group": group,
        "features": list(names),
        "lost": float(lost.mean()),
        "interval": interval,
        "dispensable": bool(interval and interval[1] < _LITTLE),
    }


def _groups(features: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    grouped = {name for names in GROUPS.values() for name in names}
    return {**GROUPS, **{name: (name,) for name in features if name not in grouped}}
