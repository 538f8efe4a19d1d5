"""Lists labels that look wrong, and measures whether its own list is worth a look.

A forest that has not seen a row's days says how likely the row's label is: its self-confidence
(Northcutt, Jiang and Chuang, Confident Learning, JAIR 70, 2021). The least likely labels are the
suspects. On markets whose features say little, every label is unlikely, and such a list is a list
of hard rows. So labels are changed on purpose and looked for: unless they stand at the top far more
often than by chance, nothing is listed. Nothing here decides about a run.
"""

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.contract import REGIMES
from ml.data.samples import Samples
from ml.evaluation.slices import as_errors
from ml.training.cross_validation import small_forests
from ml.training.forest import TrainingOptions, fit_forest

_BLOCKS: Final = 5
_PLANTED: Final = 0.05
_PLANTINGS: Final = 20
_MIN_LIFT: Final = 3.0
_MIN_SAMPLES: Final = 100
_MOST_SAMPLES: Final = 10_000

Values = NDArray[np.float64]
Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class Suspects:
    """Labels that look wrong.

    Attributes:
        samples: labelled samples that were looked at.
        lift: how many times as often as by chance labels changed on purpose stand at the top of
            the list; None if there are too few samples, or regimes, to tell.
        listed: the twenty most suspicious; none if the lift is below three.
    """

    samples: int
    lift: float | None = None
    listed: tuple[dict[str, Any], ...] = ()

    @property
    def words(self) -> str:
        """What to make of them, for a sentence."""
        if self.lift is None:
            return "too few labels to look for wrong ones"
        found = f"labels changed on purpose are found {self.lift:.1f} times as often as by chance"
        if self.lift < _MIN_LIFT:
            return f"no list of labels that look wrong, for it would be one of hard rows: {found}"
        return f"{len(self.listed)} of {self.samples:,} labels look wrong ({found})"

    def to_dict(self) -> dict[str, Any]:
        """The list and its words as `metrics.json` has them."""
        return {**asdict(self), "listed": list(self.listed), "words": self.words}


def find_suspects(samples: Samples, options: TrainingOptions, embargo: timedelta) -> Suspects:
    """Looks for labels that are likely wrong.

    Args:
        samples: every labelled sample, the holdout's too.
        options: how to grow forests; those here have `cv_trees` trees, of 10,000 rows at most.
        embargo: gap on both sides of a block whose labels are judged.
    """
    some = samples.at_most(_MOST_SAMPLES)
    if len(some) < _MIN_SAMPLES or len(np.unique(some.labels)) < 2:
        return Suspects(len(some))
    probabilities = out_of_fold(some, options, embargo)
    lift = lift_of_planted(some.labels, probabilities)
    if lift < _MIN_LIFT:
        return Suspects(len(some), lift)
    known = np.nan_to_num(probabilities)
    named = known.argmax(axis=1)
    ranked = np.argsort(self_confidence(some.labels, probabilities), kind="stable")
    ranked = ranked[named[ranked] != some.labels[ranked]]
    return Suspects(len(some), lift, tuple(as_errors(some, ranked, named, known)))


def out_of_fold(samples: Samples, options: TrainingOptions, embargo: timedelta) -> Values:
    """Probabilities `[n, 7]` of each row by a forest that knows nothing of its days.

    Five blocks in time, each judged by what lies more than the embargo before and after it. What a
    forest has no sample of it cannot judge: NaN.
    """
    small = small_forests(options)
    gap = np.timedelta64(int(embargo.total_seconds()), "s")
    moments, n = samples.timestamps, len(samples)

    def judge(block: int) -> Values:
        rows = slice(n * block // _BLOCKS, n * (block + 1) // _BLOCKS)
        far = (moments < moments[rows][0] - gap) | (moments > moments[rows][-1] + gap)
        told = np.full((rows.stop - rows.start, len(REGIMES)), np.nan)
        if far.any():
            forest = fit_forest(samples.features[far], samples.labels[far], small)
            # With more threads the order of a sum varies.
            forest.set_params(forest__n_jobs=1)
            told[:, forest.classes_] = forest.predict_proba(samples.features[rows])
        return told

    return np.concatenate([judge(block) for block in range(_BLOCKS)])


def self_confidence(labels: Labels, probabilities: Values) -> Values:
    """The probability of each row's own label `[n]`; 1 where nobody can judge it."""
    own = np.take_along_axis(probabilities, labels[:, None].astype(np.intp), axis=1)[:, 0]
    return np.nan_to_num(own, nan=1.0)


def lift_of_planted(labels: Labels, probabilities: Values, seed: int = 0) -> float:
    """How many times as often as by chance planted errors stand at the top of the list.

    One label in twenty is changed to another regime that occurs, and the list's top of as many
    rows is searched for them; the mean of twenty such draws. The forests need not learn anew: what
    they say of a row comes from other rows' labels, which are right as often as they are.
    """
    rng = np.random.default_rng(seed)
    occurring, ranks = np.unique(labels, return_inverse=True)
    n, planted = len(labels), max(1, round(_PLANTED * len(labels)))
    found = 0
    for _ in range(_PLANTINGS):
        rows = rng.choice(n, planted, replace=False)
        changed = labels.copy()
        other = ranks[rows] + rng.integers(1, len(occurring), planted)
        changed[rows] = occurring[other % len(occurring)]
        top = np.argsort(self_confidence(changed, probabilities), kind="stable")[:planted]
        found += len(np.intersect1d(top, rows))
    return found / (_PLANTINGS * planted) / (planted / n)
