"""Says whether more labels would help: a learning curve out of time, fitted, and in words.

Forests learn on an eighth, a quarter, half and all of the labels that lie before what they are
scored on: the late folds of the cross-validation, and the holdout. Nothing is chosen by the curve,
so scoring the holdout once more takes nothing from the verdict. Labels are left out as they would
never have been made: whole stretches, a symbol's labels of one day, evenly over the time. A row
left out alone has neighbours that say the same, and the curve would be flat.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.data.samples import Samples
from ml.data.split import TimeSplit
from ml.evaluation.statistics import Values, middle, resampled_means
from ml.training.cross_validation import (
    CrossValidation,
    Right,
    right_of,
    rows_of_fold,
    small_forests,
)
from ml.training.forest import TrainingOptions

_EIGHTHS: Final = (1, 2, 4, 8)
_MOST_ROWS: Final = 10_000
"""As many rows of a past are thinned if there are more."""
_MIN_STRETCHES: Final = 24
"""With fewer, an eighth of them is no smaller set of labels but a day or two."""
_FURTHEST: Final = 8
"""As many times the labels there are: the curve is measured over as many."""
_EXPONENTS: Final = np.linspace(0.25, 1, 7)
"""An error that labels can take away falls no faster than in proportion to them."""
_LITTLE: Final = 0.01
"""A gain of less is none worth a person's hours."""
_SOME: Final = 0.005
_TOO_FEW: Final = "too few labels to say whether more of them would help"


@dataclass(frozen=True)
class LearningCurve:
    """Accuracy out of time, 0 to 1, by how many labels were learned from.

    Attributes:
        sizes: training labels of each point, rising; empty if they are too few.
        accuracies: at these.
        intervals: 95% interval of each.
        fit: `asymptote`, `scale` and `exponent` of the `PowerLaw` through them.
        labels: training labels of the run, which doubling starts from.
        doubling: accuracy that twice as many would gain, by the fit.
        doubling_interval: its 95% interval.
        doubled_interval: 95% interval of the accuracy at twice as many, by forests of the curve.
        floor: the accuracy that is asked for.
        reached: whether the run's forest reaches it.
        more: labels to add, those of the holdout included, until it does; None if it does already,
            or if the fit is not sure of it within eight times the labels there are.
        more_interval: its 95% interval.
        helps: whether more labels would; None if that is not known.
    """

    sizes: tuple[float, ...] = ()
    accuracies: tuple[float, ...] = ()
    intervals: tuple[list[float], ...] = ()
    fit: dict[str, float] | None = None
    labels: int = 0
    doubling: float | None = None
    doubling_interval: list[float] | None = None
    doubled_interval: list[float] | None = None
    floor: float | None = None
    reached: bool | None = None
    more: int | None = None
    more_interval: list[int] | None = None
    helps: bool | None = None

    @property
    def words(self) -> str:
        """What to make of it, for a sentence."""
        if self.doubling is None or self.doubling_interval is None:
            return _TOO_FEW
        if self.more is not None and self.more_interval is not None:
            numbers = self.more, *self.more_interval
            more, fewest, most = (f"{float(f'{count:.2g}'):,.0f}" for count in numbers)
            told = f"about {more} more labels to reach {self.floor:.1%}, an extrapolation"
            return f"{told} (95%: {fewest} to {most})"
        low, high = (f"{100 * end:.1f}" for end in self.doubling_interval)
        if self.helps:
            gain = f"{100 * self.doubling:.1f} points (95%: {low} to {high})"
            return f"doubling the labels would gain about {gain}"
        if self.helps is None:
            return f"{_TOO_FEW}: doubling them would gain {low} to {high} points (95%)"
        why = (
            "they are not what limits this model"
            if self.reached
            else "the features do not tell these regimes apart"
        )
        return f"doubling the labels would gain less than a point: {why}"

    def to_dict(self) -> dict[str, Any]:
        """The curve and its words as `metrics.json` has them."""
        points = {name: list(getattr(self, name)) for name in ("sizes", "accuracies", "intervals")}
        return {**asdict(self), **points, "words": self.words}


def learning_curve(  # noqa: PLR0913, PLR0917 - what a run has made already
    samples: Samples,
    split: TimeSplit,
    cv: CrossValidation,
    options: TrainingOptions,
    accuracy: float,
    floor: float,
) -> LearningCurve:
    """Measures the curve of a run, and fits it.

    Args:
        samples: every labelled sample.
        split: which of them the run trains on, and which judge it.
        cv: its cross-validation, whose late folds have learned from all labels before them.
        options: how to grow forests; those of the curve have `cv_trees` trees and `cv_rows` rows.
        accuracy: of the run's own forest on its holdout, 0 to 1.
        floor: the accuracy that is asked for.
    """
    folds = [*(fold for fold, *_ in cv.late), split]
    pasts = [rows_of_fold(samples, fold, options) for fold in folds]
    if min(_stretches(past)[1] for past, _ in pasts) < _MIN_STRETCHES:
        return LearningCurve()
    sizes, right = _measure(pasts, [right for _, right, _ in cv.late], options)
    moments = np.concatenate([scored.timestamps for _, scored in pasts])
    drawn = resampled_means(right.T.astype(float), moments)
    if drawn is None:
        return LearningCurve()
    whole = samples.population
    told = LearningCurve(
        tuple(map(float, sizes)),
        tuple(map(float, right.mean(axis=1))),
        tuple(map(middle, drawn)),
        labels=whole.train_samples if whole else split.train_samples,
        floor=floor,
        reached=accuracy >= floor,
    )
    return _projected(told, drawn.T, whole.samples if whole else len(samples))


def _stretches(samples: Samples) -> tuple[NDArray[np.intp], int]:
    """The stretch of each row `[n]`, numbered in time, and how many there are."""
    _, symbols = np.unique(samples.symbols.astype(str), return_inverse=True)
    days = samples.timestamps.astype("datetime64[D]").astype(np.int64)
    found, rows = np.unique(days * (int(symbols.max()) + 1) + symbols, return_inverse=True)
    return rows, len(found)


def thinned(samples: Samples, eighths: int, seed: int) -> Samples:
    """So many of each eight stretches that follow each other, drawn at random."""
    rows, count = _stretches(samples)
    groups = np.tile(np.arange(_EIGHTHS[-1]), (-(-count // _EIGHTHS[-1]), 1))
    lot = np.random.default_rng(seed).permuted(groups, axis=1).ravel()
    return samples.rows(lot[rows] < eighths)


def _measure(
    pasts: Sequence[tuple[Samples, Samples]], known: Sequence[Right], options: TrainingOptions
) -> tuple[Values, NDArray[np.bool_]]:
    """Labels learned from `[4]`, and which rows were predicted correctly then `[4, n]`."""
    small = small_forests(options)

    def score(task: tuple[int, int]) -> tuple[int, Right]:
        eighths, fold = task
        train, scored = pasts[fold]
        if eighths == _EIGHTHS[-1]:
            whole = known[fold] if fold < len(known) else right_of(train, scored, small)
            return len(train), whole
        some = thinned(train.at_most(_MOST_ROWS), eighths, seed=fold)
        return len(some), right_of(some, scored, small)

    tasks = [(eighths, fold) for eighths in _EIGHTHS for fold in range(len(pasts))]
    # Not in threads: forests that are grown at once spoil each other's warning filters.
    found = [score(task) for task in tasks]
    sizes = np.array([size for size, _ in found]).reshape(len(_EIGHTHS), -1)
    right = np.concatenate([one for _, one in found]).reshape(len(_EIGHTHS), -1)
    return np.average(sizes, axis=1, weights=[len(scored) for _, scored in pasts]), right


@dataclass(frozen=True)
class PowerLaw:
    """accuracy = asymptote - scale * (size / largest size) ** -exponent, of each resample `[b]`."""

    asymptote: Values
    scale: Values
    exponent: Values

    def at(self, share: float) -> Values:
        """Accuracies at so many times the largest size."""
        return self.asymptote - self.scale * share**-self.exponent

    def reaching(self, accuracy: float) -> Values:
        """How many times the largest size it takes; infinite where it is never reached."""
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = (self.scale / (self.asymptote - accuracy)) ** (1 / self.exponent)
        return np.where(self.asymptote > accuracy, shares, np.inf)


def fit_power_law(accuracies: Values, sizes: Values) -> PowerLaw:
    """Fits the inverse power law of Figueroa et al. (BMC Med Inform Decis Mak 12:8, 2012).

    For each exponent the rest is a line, so nothing has to converge. Points count by their size,
    as in the source; accuracy does not fall with more labels, and ends at 1.

    Args:
        accuracies: `[b, k]`, of b resamples.
        sizes: `[k]`, rising.
    """
    weights = sizes / sizes.sum()
    lines = [
        _falling_line(accuracies, (sizes / sizes[-1]) ** -exponent, weights)
        for exponent in _EXPONENTS
    ]
    asymptotes, scales, errors = (np.stack(part) for part in zip(*lines, strict=True))
    best, each = errors.argmin(axis=0), np.arange(len(accuracies))
    return PowerLaw(asymptotes[best, each], scales[best, each], _EXPONENTS[best])


def _falling_line(accuracies: Values, x: Values, weights: Values) -> tuple[Values, Values, Values]:
    """Asymptote, scale and squared error `[b]` of the best line that falls in x."""
    centre, means = weights @ x, accuracies @ weights
    slopes = (
        (accuracies - means[:, None]) @ (weights * (x - centre)) / (weights @ (x - centre) ** 2)
    )
    scales = np.maximum(0, -slopes)
    over = means + scales * centre > 1
    scales = np.where(over, (1 - accuracies) @ (weights * x) / (weights @ x**2), scales)
    asymptotes = np.where(over, 1, means + scales * centre)
    errors = (accuracies - asymptotes[:, None] + scales[:, None] * x) ** 2 @ weights
    return asymptotes, scales, errors


def _projected(told: LearningCurve, drawn: Values, total: int) -> LearningCurve:
    """What the fit says of more labels."""
    sizes, floor = np.array(told.sizes), told.floor or 0.0
    law, laws = (fit_power_law(some, sizes) for some in (np.array([told.accuracies]), drawn))
    now = told.labels / sizes[-1]
    gain, gains = (some.at(2 * now) - some.at(now) for some in (law, laws))
    low, high = middle(gains)
    more, added = (np.maximum(0, some.reaching(floor) / now - 1) * total for some in (law, laws))
    # Some may be infinite, between which there is no middle.
    fewest, most = np.quantile(added, (0.025, 0.975), method="nearest")
    sure = not told.reached and more[0] > 0 and most <= (_FURTHEST - 1) * total
    helps = True if sure or low > _SOME else False if high < _LITTLE else None
    return replace(
        told,
        fit={name: float(values[0]) for name, values in asdict(law).items()},
        doubling=float(gain[0]),
        doubling_interval=[min(low, float(gain[0])), max(high, float(gain[0]))],
        doubled_interval=middle(laws.at(2 * now)),
        more=round(more[0]) if sure else None,
        more_interval=[round(fewest), round(most)] if sure else None,
        helps=helps,
    )
