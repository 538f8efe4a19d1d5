"""Whether the words about more labels are right, and whether wrong labels are found.

    python -m benchmarks.curve [--markets 20]

Simulated markets of a year, of which so many rows are labelled in stretches; beside each, the same
market with its features shuffled among the rows, so that they say nothing. The curve of half of the
labels is asked for the accuracy at all of them. One label in twenty is changed, to any other regime
or to one that people confuse it with, and looked for. The section "Labels: more
of them, and wrong ones" of RESULTS.md is written anew.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

import numpy as np

from benchmarks.habits import EMBARGO, ROWS, market_of
from benchmarks.measuring import aim, made_by, table_of
from benchmarks.results import put_section
from ml.data.samples import Samples
from ml.data.split import split_by_time
from ml.training.cross_validation import cross_validate_in_time, small_forests
from ml.training.curve import LearningCurve, learning_curve, thinned
from ml.training.forest import TrainingOptions, fit_forest
from ml.training.suspects import find_suspects, out_of_fold, self_confidence
from sample_market.market import mislabel, pick_labelled

COUNTS: Final = (500, 1_250, 3_750)
"""Labels, a fifth of them the holdout's."""
_PLANTED: Final = 0.05
_FLOOR: Final = 0.9
_OPTIONS: Final = replace(small_forests(TrainingOptions()), n_jobs=1)


@dataclass(frozen=True)
class Trial:
    """What was told of one market.

    Attributes:
        half: curve of half of the labels.
        whole: curve of all labels.
        gained: accuracy, on every row of the holdout's time, of a forest of all labels less that of
            one of half.
        reached: accuracy there of a forest of all labels.
        found: planted errors at the top of the list over chance: any regime, and a plausible one.
        listed: whether the list of labels that look wrong is shown.
    """

    half: LearningCurve
    whole: LearningCurve
    gained: float
    reached: float
    found: tuple[float, float]
    listed: bool


def trial(task: tuple[int, int, bool]) -> Trial:
    """One market, by its seed, with so many labels, with or without sense in its features."""
    seed, labels, noise = task
    rng = np.random.default_rng(seed)
    market = market_of(seed, ROWS)
    if noise:
        market = replace(market, features=market.features[rng.permutation(len(market))])
    labelled = market.rows(_labelled(market, labels, rng))
    half = thinned(labelled, 4, seed)
    of_all, of_half = (_accuracy(some, market, labelled) for some in (labelled, half))
    plausible = mislabel(labelled.labels.astype(np.int64), 1.0, rng).astype(np.uint8)
    any_other = (labelled.labels + rng.integers(1, 7, labels)).astype(np.uint8) % 7
    return Trial(
        _curve(half),
        _curve(labelled),
        of_all - of_half,
        of_all,
        (_found(labelled, any_other, rng), _found(labelled, plausible, rng)),
        bool(find_suspects(labelled, _OPTIONS, EMBARGO).listed),
    )


def _labelled(market: Samples, labels: int, rng: np.random.Generator) -> np.ndarray:
    hours = (market.timestamps - market.timestamps[0]) // np.timedelta64(1, "h")
    _, symbols = np.unique(market.symbols.astype(str), return_inverse=True)
    return pick_labelled(hours.astype(np.int64), symbols, labels / len(market), rng)


def _curve(labelled: Samples) -> LearningCurve:
    split = split_by_time(labelled.timestamps, 0.2, EMBARGO)
    cv = cross_validate_in_time(labelled.rows(split.training), _OPTIONS, EMBARGO)
    return learning_curve(labelled, split, cv, _OPTIONS, 0.0, _FLOOR)


def _accuracy(some: Samples, market: Samples, labelled: Samples) -> float:
    """Of three forests of the training part of some labels, on all rows of the holdout's time."""
    split = split_by_time(labelled.timestamps, 0.2, EMBARGO)
    train = some.rows(some.timestamps <= labelled.timestamps[split.training][-1])
    truth = market.rows(market.timestamps >= split.cut)
    right = [
        fit_forest(train.features, train.labels, replace(_OPTIONS, seed=seed)).predict(
            truth.features
        )
        == truth.labels
        for seed in range(3)
    ]
    return float(np.mean(right))


def _found(labelled: Samples, others: np.ndarray, rng: np.random.Generator) -> float:
    """How many times as often as by chance planted errors stand at the top, forests and all."""
    planted = rng.choice(len(labelled), round(_PLANTED * len(labelled)), replace=False)
    labels = labelled.labels.copy()
    labels[planted] = others[planted]
    told = out_of_fold(replace(labelled, labels=labels), _OPTIONS, EMBARGO)
    top = np.argsort(self_confidence(labels, told), kind="stable")[: len(planted)]
    return len(np.intersect1d(top, planted)) / len(planted) / _PLANTED


def _at_all(trial: Trial) -> float:
    """Accuracy at all labels by the curve of all of them, scored on the kind of rows half's was."""
    law, curve = trial.whole.fit or {}, trial.whole
    share = curve.labels / curve.sizes[-1]
    return float(law["asymptote"] - law["scale"] * share ** -law["exponent"])


def _held(interval: Sequence[float] | None, value: float) -> bool:
    return interval is not None and interval[0] <= value <= interval[1]


def _line(labels: int, noise: bool, trials: Sequence[Trial]) -> tuple[str, ...]:
    told = [one for one in trials if one.half.fit and one.whole.fit]
    said = Counter(_says(one.whole) for one in trials)
    return (
        f"{labels:,}",
        "shuffled" if noise else "as they are",
        f"{np.mean([one.reached for one in trials]):.1%}",
        f"{100 * np.mean([one.gained for one in trials]):.1f}",
        f"{100 * np.mean([one.half.doubling for one in told]):.1f}",
        f"{sum(_held(one.half.doubled_interval, _at_all(one)) for one in told)} of {len(told)}",
        f"{sum(_held(one.half.doubled_interval, one.reached) for one in told)} of {len(told)}",
        *(str(said[words]) for words in ("helps", "about N more", "less than a point", "too few")),
        *(f"{np.mean([one.found[kind] for one in trials]):.1f}" for kind in (0, 1)),
        f"{sum(one.listed for one in trials)} of {len(trials)}",
    )


def _says(curve: LearningCurve) -> str:
    if curve.more is not None:
        return "about N more"
    return {True: "helps", False: "less than a point", None: "too few"}[curve.helps]


_HEAD: Final = (
    *("labels", "features", "accuracy at all", "half to all gains", "told by half"),
    *("interval holds it", "and that of all rows"),
    *("says: helps", "about N more", "less than a point", "too few"),
    *("planted errors, × chance", "plausible ones", "lists shown"),
)
_NOTES: Final = """Accuracy and gain (points) are those of forests of 20 trees on every row of the
holdout's time. `interval holds it`: the 95% interval for twice the labels, by the curve of half of
them, and the accuracy that the curve of all has there; `and that of all rows`: and the accuracy of
the third column. What it says is of all labels, with a floor of 90%. Planted errors are searched in
a list's top of their number, by forests that have learned from them too."""


def main() -> None:
    """Runs all markets and writes the section."""
    parser = argparse.ArgumentParser(description="Are the words about more labels right?")
    parser.add_argument("--markets", type=int, default=20)
    markets = parser.parse_args().markets
    kinds = list(product(COUNTS, (False, True)))
    tasks = [(seed, *kind) for kind in kinds for seed in range(3_000, 3_000 + markets)]
    with ProcessPoolExecutor() as pool:
        found = list(pool.map(trial, tasks))
    by_kind = {kind: found[k * markets : (k + 1) * markets] for k, kind in enumerate(kinds)}
    table = table_of(_HEAD, [_line(*kind, trials) for kind, trials in by_kind.items()])
    made = made_by(f"python -m benchmarks.curve --markets {markets}", "scikit-learn")
    body = "\n\n".join((made, _NOTES, table, "\n".join(_aims(by_kind))))
    print(body)
    put_section("Labels: more of them, and wrong ones", body)


def _aims(by_kind: dict[tuple[int, bool], list[Trial]]) -> list[str]:
    lines = []
    for labels in COUNTS:
        real, noise = by_kind[labels, False], by_kind[labels, True]
        told = [one for one in real if one.half.fit and one.whole.fit]
        held = np.mean([_held(one.half.doubled_interval, _at_all(one)) for one in told])
        never = np.mean([one.whole.helps is not False or one.gained < 0.02 for one in real])
        silent = np.mean([one.whole.helps is not True for one in noise])
        found = np.mean([one.found[0] for one in real])
        quiet = np.mean([not one.listed for one in noise])
        of = f"{labels:,} labels"
        lines += [
            aim(f"curve of half holds the accuracy at all, share, {of}", float(held), least=0.8),
            aim(f"never 'less than a point' for 2 points, share, {of}", float(never), least=0.95),
            aim(f"no gain promised on noise, share, {of}", float(silent), least=0.95),
            aim(f"planted errors found over chance, {of}", float(found), least=3),
            aim(f"no list on noise, share, {of}", float(quiet), least=1),
        ]
    return lines


if __name__ == "__main__":
    main()
