"""How often the promotion gate believes labels that it should not: the ways in which people label.

    python -m benchmarks.habits [--markets 50]

Each trial is a day in the life of a simulated market of a year: a person has labelled so many of
the rows until then, in one of the habits below; a forest is trained on the older ones, judged on
the newest fifth by `ml.evaluation.promotion` itself, without a production to beat, and what it
promises is compared with its accuracy on all rows of the fortnight that follows. The section
"Habits of labelling" of RESULTS.md is written anew.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tabulate import tabulate

from benchmarks.measuring import aim
from benchmarks.results import put_section
from ml.contract import FEATURES, REGIMES
from ml.data.samples import Coverage, Samples
from ml.data.split import require_two_regimes, split_by_time
from ml.errors import ModelError
from ml.evaluation.promotion import Decision, Evidence, PromotionThresholds, decide
from ml.evaluation.scores import count_correct, most_frequent
from ml.evaluation.statistics import prediction_interval
from ml.training.cross_validation import cross_validate_in_time
from ml.training.forest import TrainingOptions, fit_forest
from sample_market import MarketSpec, simulate

COUNTS: Final = (420, 1_200)
FOLLOWING: Final = np.timedelta64(14, "D")
MOMENTS: Final = (0.55, 0.66, 0.77, 0.88)
"""Where in the year a person stops labelling; so many windows a market."""
ROWS: Final = 35_040
"""Hours of a year, of four symbols."""
EMBARGO: Final = timedelta(hours=24)
OPTIONS: Final = TrainingOptions(trees=100, n_jobs=1)
_CLEAR_ROWS: Final = 12
_GOOD: Final = 0.68
"""Three points above the floor."""
_BIASED: Final = "only the clear rows"
_SPREAD: Final = "spread over time"

Rows = NDArray[np.intp]


def newest(past: Samples, count: int, rng: np.random.Generator) -> Rows:
    """The newest stretch, as people label who want the model to know today."""
    return np.arange(len(past))[-count:]


def oldest(past: Samples, count: int, rng: np.random.Generator) -> Rows:
    """From the beginning of the table on."""
    return np.arange(len(past))[:count]


def one_symbol(past: Samples, count: int, rng: np.random.Generator) -> Rows:
    """Rows of one symbol, spread over time."""
    rows = list(past.rows_by_symbol().values())[int(rng.integers(4))]
    return _drawn(rows, count, rng)


def one_month(past: Samples, count: int, rng: np.random.Generator) -> Rows:
    """Rows of any thirty days."""
    first = past.timestamps[0] + np.timedelta64(int(rng.integers(0, 150)), "D")
    month = (past.timestamps >= first) & (past.timestamps < first + np.timedelta64(30, "D"))
    return _drawn(np.flatnonzero(month), count, rng)


def office_hours(past: Samples, count: int, rng: np.random.Generator) -> Rows:
    """Rows of Monday to Friday, nine to five."""
    hours = pd.DatetimeIndex(past.timestamps)
    at_work = (hours.dayofweek < 5) & (hours.hour >= 9) & (hours.hour < 17)
    return _drawn(np.flatnonzero(at_work), count, rng)


def clear_rows(past: Samples, count: int, rng: np.random.Generator) -> Rows:
    """Rows whose regime has lasted for twelve hours and lasts for twelve more."""
    clear = []
    for rows in past.rows_by_symbol().values():
        changes = np.flatnonzero(np.diff(past.labels[rows])) + 1
        edges = np.r_[0, changes, len(rows)]
        at = np.arange(len(rows))
        before = edges[np.searchsorted(edges, at, side="right") - 1]
        after = edges[np.searchsorted(edges, at, side="right")]
        clear.append(rows[(at - before >= _CLEAR_ROWS) & (after - at > _CLEAR_ROWS)])
    return _drawn(np.concatenate(clear), count, rng)


def spread(past: Samples, count: int, rng: np.random.Generator) -> Rows:
    """Any rows."""
    return _drawn(np.arange(len(past)), count, rng)


HABITS: Final[Mapping[str, Callable[[Samples, int, np.random.Generator], Rows]]] = {
    "newest stretch": newest,
    "oldest stretch": oldest,
    "one symbol": one_symbol,
    "one month": one_month,
    "office hours": office_hours,
    _BIASED: clear_rows,
    _SPREAD: spread,
}


@dataclass(frozen=True)
class Trial:
    """What came of one window.

    Attributes:
        habit: how rows were labelled.
        count: how many.
        came: `deployed`, `asked` or `refused`.
        promised: accuracy on the holdout, 0 to 1; None if nothing could be trained.
        followed: accuracy on the rows that follow.
        interval: 95% interval that was told; None if it was said not to be known.
        doubts: why a person was asked.
        coverage: days and runs of the holdout.
    """

    habit: str
    count: int
    came: str
    promised: float | None = None
    followed: float | None = None
    interval: tuple[float, float] | None = None
    doubts: tuple[str, ...] = ()
    coverage: Coverage | None = None


def trials_of(seed: int) -> list[Trial]:
    """Every habit, number and moment of one market."""
    market = market_of(seed, ROWS)
    first, last = market.timestamps[0], market.timestamps[-1]
    moments = [first + (last - first) * int(100 * share) // 100 for share in MOMENTS]
    rng = np.random.default_rng(seed)
    return [
        _trial(market, moment, habit, count, rng)
        for moment in moments
        for habit in HABITS
        for count in COUNTS
    ]


def _trial(
    market: Samples, moment: np.datetime64, habit: str, count: int, rng: np.random.Generator
) -> Trial:
    end = int(np.searchsorted(market.timestamps, moment))
    until = int(np.searchsorted(market.timestamps, moment + FOLLOWING))
    labelled = market.rows(slice(0, end))
    labelled = labelled.rows(np.sort(HABITS[habit](labelled, count, rng)))
    try:
        split = split_by_time(labelled.timestamps, 0.2, EMBARGO)
        train, holdout = labelled.rows(split.training), labelled.rows(split.holdout)
        require_two_regimes(train.labels)
    except ModelError:
        return Trial(habit, count, "refused")
    forest = fit_forest(train.features, train.labels, OPTIONS)
    right = forest.predict(holdout.features) == holdout.labels
    counts = holdout.class_counts()
    interval = prediction_interval(right.astype(float), holdout.timestamps)
    cv = cross_validate_in_time(train, OPTIONS, EMBARGO).interval
    evidence = Evidence(
        len(holdout),
        int(right.sum()),
        counts[most_frequent(train.class_counts())],
        holdout_majority_correct=max(counts.values()),
        coverage=holdout.coverage(),
        interval=(interval[0], interval[1]) if interval else None,
        cv_interval=(cv[0], cv[1]) if cv else None,
    )
    decision = decide(evidence, PromotionThresholds())
    following = market.rows(slice(end, until))
    correct = count_correct(following.labels, forest.predict(following.features))
    return Trial(
        habit,
        count,
        _came(decision),
        evidence.accuracy,
        correct / len(following),
        evidence.interval,
        decision.doubts,
        evidence.coverage,
    )


def _came(decision: Decision) -> str:
    if not decision.deploy:
        return "refused"
    return "asked" if decision.doubts else "deployed"


def market_of(seed: int, rows: int) -> Samples:
    """A simulated market in which every row is labelled."""
    frame = simulate(MarketSpec(rows=rows, labelled_share=1.0, seed=seed))
    frame = frame.sort_values(["timestamp", "symbol"])
    return Samples(
        frame[list(FEATURES)].to_numpy(np.float32),
        pd.Categorical(frame["regime_label"], REGIMES).codes.astype(np.uint8),
        frame["timestamp"].dt.tz_localize(None).to_numpy().astype("datetime64[s]"),
        frame["symbol"].to_numpy(object),
    )


def _drawn(rows: Rows, count: int, rng: np.random.Generator) -> Rows:
    return rng.choice(rows, min(count, len(rows)), replace=False)


def table(trials: Sequence[Trial]) -> str:
    """One line a habit and number of labels."""
    lines = []
    for habit in HABITS:
        for count in COUNTS:
            of = [trial for trial in trials if (trial.habit, trial.count) == (habit, count)]
            lines.append({"habit": habit, "labels": f"{count:,}", **_cells(of)})
    return tabulate(lines, "keys", "github", disable_numparse=True)


def _cells(trials: Sequence[Trial]) -> dict[str, str]:
    live = [trial for trial in trials if trial.came == "deployed"]
    told = [trial for trial in live if trial.interval]
    good = [trial for trial in trials if _good(trial)]
    over = partial(_over, live)
    return {
        "windows": str(len(trials)),
        **{
            came: f"{sum(trial.came == came for trial in trials) / len(trials):.0%}"
            for came in ("deployed", "asked", "refused")
        },
        "deployed of the good": _share(sum(t.came == "deployed" for t in good), len(good)),
        "over by 5": over(0.05),
        "over by 10": over(0.10),
        "interval holds": _share(
            sum(t.interval[0] <= (t.followed or 0) <= t.interval[1] for t in told if t.interval),
            len(told),
        ),
    }


def _over(live: Sequence[Trial], points: float) -> str:
    promised = [trial for trial in live if trial.promised and trial.followed is not None]
    more = sum((t.promised or 0) - (t.followed or 0) > points for t in promised)
    return _share(more, len(promised))


def _share(count: int, of: int) -> str:
    return f"{count / of:.0%} of {of}" if of else "-"


def main() -> None:
    """Runs the simulation and writes the section."""
    described = argparse.ArgumentParser(description="How the gate meets the habits of labelling.")
    described.add_argument("--markets", type=int, default=50, help="four windows each")
    described.add_argument("--seed", type=int, default=1_000)
    given = described.parse_args()
    seeds = range(given.seed, given.seed + given.markets)
    with ProcessPoolExecutor() as pool:
        trials = [trial for some in pool.map(trials_of, seeds) for trial in some]
    command = f"python -m benchmarks.habits --markets {given.markets} --seed {given.seed}"
    put_section("Habits of labelling", section(trials, command))


def section(trials: Sequence[Trial], command: str) -> str:
    """The table with what it is made of, and which aims it meets."""
    return f"""\
`{command}`, {datetime.now(UTC):%Y-%m-%d}.

Windows of simulated years by how people label. `asked`: a person would be asked. `deployed of the
good`: share deployed without a person where the accuracy on the fortnight that follows is 68% or
more. `over by`: share of those deployed without a person that promise more than so many points too
much about that fortnight. `interval holds`: share of their 95% intervals that hold it.

{table(trials)}

{aims(trials)}"""


def aims(trials: Sequence[Trial]) -> str:
    """One line an aim: met or missed, with its figure."""
    live = [trial for trial in trials if trial.came == "deployed"]
    lines = []
    for name, of in (
        ("every habit", live),
        ("every habit but only the clear rows", [t for t in live if t.habit != _BIASED]),
        *((habit, [t for t in live if t.habit == habit]) for habit in HABITS),
    ):
        if of:
            over = sum((t.promised or 0) - (t.followed or 0) > 0.10 for t in of) / len(of)
            told = [t for t in of if t.interval]
            held = sum(
                t.interval[0] <= (t.followed or 0) <= t.interval[1] for t in told if t.interval
            )
            promised = f"{name}: % of {len(of)} deployed promise more than 10 points too much"
            kept = f"{name}: % of intervals hold what follows"
            lines += [
                aim(promised, 100 * over, most=2),
                aim(kept, 100 * held / max(1, len(told)), least=90),
            ]
    for count, least in ((420, 90), (1_200, 97)):
        good = [t for t in trials if (t.habit, t.count) == (_SPREAD, count) and _good(t)]
        share = sum(t.came == "deployed" for t in good) / max(1, len(good))
        words = f"% of {len(good)} good models from {count:,} labels deploy by themselves"
        lines.append(aim(words, 100 * share, least=least))
    return "\n".join(lines)


def _good(trial: Trial) -> bool:
    return trial.followed is not None and trial.followed >= _GOOD


if __name__ == "__main__":
    main()
