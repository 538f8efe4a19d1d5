"""Searches the forest's few settings, nested in time: would others do better on what follows?

The settings are chosen in an inner cross-validation in time and judged on rows that follow it, so
that the search's own luck is not taken for its gain (Cawley and Talbot, On over-fitting in model
selection, Journal of Machine Learning Research 11, 2010). It changes nothing: a default changes
with a document in `docs/decisions`.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from itertools import product
from typing import Any, Final

import numpy as np

from ml.data.samples import Samples
from ml.data.split import TimeSplit, time_folds
from ml.errors import TooFewSamples
from ml.evaluation.statistics import bootstrap_interval
from ml.training.cross_validation import fold_right
from ml.training.forest import TrainingOptions
from ml.words import percent, points

_TRIED: Final[dict[str, tuple[Any, ...]]] = {
    "max_depth": (8, 12, None),
    "min_samples_leaf": (1, 5, 20),
    "max_features": ("sqrt", 0.5),
}
_OUTER: Final = 4
_INNER: Final = 3


Choice = dict[str, Any]
"""Fields of `TrainingOptions` that were compared."""


@dataclass(frozen=True)
class SearchResult:
    """What came of a search.

    Attributes:
        chosen: what the whole of the rows would choose.
        accuracies: mean accuracy of each choice in the cross-validation on all rows, best first.
        fold_choices: what each outer fold chose from its past.
        accuracy: of those on what followed, 0 to 1.
        default_accuracy: of the present settings on the same rows.
        gain: by how much the search was better, -1 to 1.
        interval: the 95% interval of that; None where the rows are too few to tell.
    """

    chosen: Choice
    accuracies: tuple[tuple[Choice, float], ...]
    fold_choices: tuple[Choice, ...]
    accuracy: float
    default_accuracy: float
    gain: float
    interval: list[float] | None

    def to_dict(self) -> dict[str, Any]:
        """The result, JSON-safe."""
        listed = [choice | {"accuracy": share} for choice, share in self.accuracies]
        return asdict(self) | {"accuracies": listed}

    def __str__(self) -> str:
        better = self.interval is not None and self.interval[0] > 0
        ends = [points(end) for end in self.interval] if self.interval else []
        told = f" (95%: {ends[0]} to {ends[1]})" if ends else ", which chance may have done"
        advice = (
            f"{_told(self.chosen)} is worth a decision document"
            if better
            else "keep the settings: nothing better than chance was found"
        )
        rows = (f"{percent(share):>7}  {_told(choice)}" for choice, share in self.accuracies[:5])
        return "\n".join(
            (
                "Cross-validated in time, the best five:",
                *rows,
                f"Chosen from the past alone, on what followed: {percent(self.accuracy)}",
                f"The present settings on the same rows: {percent(self.default_accuracy)}",
                f"Difference: {points(self.gain)} points{told}: {advice}.",
            )
        )


def _told(choice: Choice) -> str:
    return "depth {max_depth}, leaf {min_samples_leaf}, width {max_features}".format(**choice)


def search(samples: Samples, options: TrainingOptions, embargo: timedelta) -> SearchResult:
    """Compares 18 choices; takes some 300 small fits.

    Args:
        samples: labelled rows to search on.
        options: the present settings; a fold's forest has their `cv_trees` trees.
        embargo: gap between a fold's training and scored rows.

    Raises:
        TooFewSamples: if no fold has a past of two regimes.
    """
    small = replace(options, trees=min(options.trees, options.cv_trees))
    choices = [dict(zip(_TRIED, values, strict=True)) for values in product(*_TRIED.values())]
    outer = _folds(samples, _OUTER, embargo)
    past = [(fold, samples.rows(fold.training)) for fold in outer]
    usable = [(fold, rows) for fold, rows in past if _folds(rows, _INNER, embargo)]
    if not usable:
        raise TooFewSamples("folds with a past of two regimes", 0, 1, "label more of the past")
    picked = [_ranked(rows, choices, small, embargo)[0][0] for _, rows in usable]
    scored = [
        (
            fold_right(samples, fold, replace(small, **choice))[0],
            *fold_right(samples, fold, small),
        )
        for (fold, _), choice in zip(usable, picked, strict=True)
    ]
    found, present, moments = map(np.concatenate, zip(*scored, strict=True))
    lead = found.astype(float) - present
    ranked = _ranked(samples, choices, small, embargo)
    return SearchResult(
        ranked[0][0],
        ranked,
        tuple(picked),
        float(found.mean()),
        float(present.mean()),
        float(lead.mean()),
        bootstrap_interval(lead, moments),
    )


def _folds(samples: Samples, count: int, embargo: timedelta) -> list[TimeSplit]:
    folds = time_folds(samples.timestamps, count, embargo) if len(samples) else ()
    return [fold for fold in folds if len(np.unique(samples.labels[fold.training])) > 1]


def _ranked(
    samples: Samples, choices: Sequence[Choice], options: TrainingOptions, embargo: timedelta
) -> tuple[tuple[Choice, float], ...]:
    """Mean accuracy of each choice over the folds, the best first; of equals, the first."""
    folds = _folds(samples, _INNER, embargo)
    accuracies = [
        np.mean([fold_right(samples, fold, replace(options, **choice))[0].mean() for fold in folds])
        for choice in choices
    ]
    order = np.argsort(-np.array(accuracies), kind="stable")
    return tuple((choices[k], float(accuracies[k])) for k in order)
