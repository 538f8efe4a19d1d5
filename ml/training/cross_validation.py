"""Cross-validates forests in time: each fold is scored by a forest of its past."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.data.samples import Samples
from ml.data.split import TimeSplit, time_folds
from ml.evaluation.statistics import bootstrap_interval
from ml.training.forest import TrainingOptions, fit_forest

Right = NDArray[np.bool_]
Moments = NDArray[np.datetime64]


@dataclass(frozen=True)
class CrossValidation:
    """Accuracy, 0 to 1, in folds that are in time order.

    Attributes:
        accuracies: of each fold that had enough data, oldest first.
        interval: 95% interval of the accuracy over the folds that trained on at least half of the
            rows; earlier ones say what fewer labels reach. None without enough of them.
        late: those folds, each with which of its scored rows are predicted correctly, and their
            timestamps.
    """

    accuracies: tuple[float, ...]
    interval: list[float] | None = None
    late: tuple[tuple[TimeSplit, Right, Moments], ...] = field(default=(), compare=False)

    @property
    def mean(self) -> float | None:
        """Mean accuracy; None without a fold."""
        return float(np.mean(self.accuracies)) if self.accuracies else None

    @property
    def std(self) -> float | None:
        """Standard deviation between folds; None without a fold."""
        return float(np.std(self.accuracies)) if self.accuracies else None

    def to_dict(self) -> dict[str, Any]:
        """The numbers by their name in `metrics.json`."""
        return {
            "cv_accuracy": self.mean,
            "cv_std": self.std,
            "cv_accuracies": list(self.accuracies),
            "cv_interval": self.interval,
        }


def cross_validate_in_time(
    samples: Samples, options: TrainingOptions, embargo: timedelta
) -> CrossValidation:
    """Estimates how accuracy varies over time.

    Folds whose past names fewer than two regimes are left out.

    Args:
        samples: the training samples; the holdout must not be among them.
        options: how to grow each fold's forest.
        embargo: gap between a fold's training and scored rows.
    """
    small = small_forests(options)
    folds = time_folds(samples.timestamps, options.cv_folds, embargo)
    usable = [fold for fold in folds if len(np.unique(samples.labels[fold.training])) > 1]
    scored = [(fold, *fold_right(samples, fold, small)) for fold in usable]
    late = tuple(one for one in scored if 2 * one[0].train_samples >= len(samples))
    interval = (
        bootstrap_interval(
            np.concatenate([right for _, right, _ in late]).astype(float),
            np.concatenate([moments for *_, moments in late]),
        )
        if late
        else None
    )
    return CrossValidation(tuple(float(np.mean(right)) for _, right, _ in scored), interval, late)


def small_forests(options: TrainingOptions) -> TrainingOptions:
    """Options of a fold's forest, which has `cv_trees` trees."""
    return replace(options, trees=min(options.trees, options.cv_trees))


def fold_right(
    samples: Samples, fold: TimeSplit, options: TrainingOptions
) -> tuple[Right, Moments]:
    """Grows a forest on a fold's past and scores the fold, by at most `cv_rows` rows of each.

    Returns:
        Which scored rows are predicted correctly, and their timestamps.
    """
    train, scored = rows_of_fold(samples, fold, options)
    return right_of(train, scored, options), scored.timestamps


def rows_of_fold(
    samples: Samples, fold: TimeSplit, options: TrainingOptions
) -> tuple[Samples, Samples]:
    """What a fold trains on and what it scores, at most `cv_rows` rows of each."""
    train, scored = (
        samples.rows(part).at_most(options.cv_rows) for part in (fold.training, fold.holdout)
    )
    return train, scored


def right_of(train: Samples, scored: Samples, options: TrainingOptions) -> Right:
    """Which rows a forest of other rows predicts correctly `[n]`."""
    forest = fit_forest(train.features, train.labels, options)
    # With more threads the order of a sum varies, and with it who wins a tie.
    right: Right = forest.set_params(forest__n_jobs=1).predict(scored.features) == scored.labels
    return right
