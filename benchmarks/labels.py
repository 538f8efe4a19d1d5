"""What a label is worth, by who says which row is labelled next.

    python -m benchmarks.labels [--markets 10] [--data rows.parquet]

A market of hourly rows, all of whose regimes are known; a strategy asks for 50 labels at a time and
is given them, up to 300 beyond what it started with. What it has of the older four fifths of the
time trains a forest, and all rows of the newest fifth say how good that is: the accuracy out of
time. Labels that a strategy spends on the newest fifth do not train, whosever strategy it is. Real
markets come from a Parquet file of labelled rows with the columns of `regime_features`. The forests
have 60 trees in place of 200, which costs each strategy the same point or two. The section "Labels"
of RESULTS.md is written anew.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from benchmarks.measuring import aim, made_by, table_of
from benchmarks.results import put_section
from ml.contract import FEATURES, REGIMES
from ml.data.split import split_by_time
from ml.evaluation.statistics import bootstrap_interval, prediction_interval
from ml.labelling.ranking import (
    WINDOW,
    LabelCoverage,
    Pool,
    Wishes,
    block_of,
    choose_rows,
    newest_stretch,
)
from ml.training.acceptance import forest_probabilities
from ml.training.forest import TrainingOptions, fit_forest
from sample_market import MarketSpec, simulate

ROUND: Final = 50
BUDGETS: Final = (100, 300)
START: Final = 200
ROUNDS_OF_INTERVALS: Final = 6
POOL: Final = 5_000
EMBARGO: Final = np.timedelta64(24, "h")
OPTIONS: Final = TrainingOptions(trees=60, n_jobs=1)
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Market:
    """Rows with known regimes, sorted by (timestamp, symbol)."""

    features: NDArray[np.float32]
    labels: NDArray[np.uint8]
    timestamps: NDArray[np.datetime64]
    symbols: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def of(cls, frame: pd.DataFrame) -> "Market":
        """From the columns of `regime_features`."""
        frame = frame.sort_values(["timestamp", "symbol"])
        return cls(
            frame[list(FEATURES)].to_numpy(np.float32),
            frame["regime_label"].map(REGIMES.index).to_numpy(np.uint8),
            frame["timestamp"].to_numpy("datetime64[s]"),
            frame["symbol"].to_numpy(str),
        )

    @cached_property
    def cut(self) -> np.datetime64:
        """Where the newest fifth of the time begins."""
        return newest_stretch(self.coverage(np.zeros(len(self), np.bool_)), 0.2)

    @cached_property
    def trains(self) -> Mask:
        """Rows that may train."""
        return np.asarray(self.timestamps < self.cut - EMBARGO)

    def coverage(self, labelled: Mask) -> LabelCoverage:
        """Where labels are."""
        places = zip(self.symbols[labelled], block_of(self.timestamps[labelled]), strict=True)
        blocks: dict[tuple[str, int], int] = {}
        for symbol, block in places:
            blocks[str(symbol), int(block)] = blocks.get((str(symbol), int(block)), 0) + 1
        counts = np.bincount(self.labels[labelled], minlength=len(REGIMES))
        regimes = dict(zip(REGIMES, map(int, counts), strict=True))
        return LabelCoverage(blocks, regimes, self.timestamps[0], self.timestamps[-1])

    def free(self, labelled: Mask) -> NDArray[np.intp]:
        """Rows whose windows overlap that of no labelled row of their symbol."""
        free = np.ones(len(self), np.bool_)
        for symbol in np.unique(self.symbols):
            of = np.flatnonzero(self.symbols == symbol)
            times = self.timestamps[of]
            marked = self.timestamps[of[labelled[of]]]
            if len(marked):
                at = np.searchsorted(marked, times)
                before = times - marked[np.maximum(at - 1, 0)]
                after = marked[np.minimum(at, len(marked) - 1)] - times
                near = np.minimum(np.abs(before), np.abs(after))
                free[of] = near >= np.timedelta64(WINDOW)
        return np.flatnonzero(free)

    def accuracy(self, labelled: Mask) -> float:
        """Out of time, of a forest that learned from these labels."""
        model = self.forest(labelled & self.trains)
        judged = self.timestamps >= self.cut
        shares = model(np.flatnonzero(judged))
        return float((shares.argmax(axis=1) == self.labels[judged]).mean())

    def forest(self, labelled: Mask) -> Callable[[NDArray[np.intp]], NDArray[np.float64]]:
        """Grows a forest; gives what says the probabilities of rows."""
        if len(np.unique(self.labels[labelled])) < 2:
            share = np.bincount(self.labels[labelled], minlength=len(REGIMES)) + 1e-9
            return lambda rows: np.tile(share / share.sum(), (len(rows), 1))
        found = fit_forest(self.features[labelled], self.labels[labelled], OPTIONS)
        return lambda rows: forest_probabilities(found, self.features[rows])


Strategy = Callable[[Market, Mask, np.random.Generator], NDArray[np.intp]]


def by_the_list(market: Market, labelled: Mask, rng: np.random.Generator) -> NDArray[np.intp]:
    """The product's list."""
    free = market.free(labelled)
    if len(free) > POOL:
        free = np.sort(rng.choice(free, POOL, replace=False))
    lots = rng.permutation(len(free)).astype(np.uint64)
    pool = Pool(market.symbols[free], market.timestamps[free], lots)
    model = market.forest(labelled) if len(np.unique(market.labels[labelled])) > 1 else None
    shares = model(free) if model else None
    chosen = choose_rows(pool, market.coverage(labelled), Wishes(ROUND), shares)
    return np.asarray(free[[row for row, _ in chosen]])


def at_random(market: Market, labelled: Mask, rng: np.random.Generator) -> NDArray[np.intp]:
    """Any unlabelled rows."""
    return np.asarray(rng.choice(np.flatnonzero(~labelled), ROUND, replace=False))


def by_uncertainty(market: Market, labelled: Mask, rng: np.random.Generator) -> NDArray[np.intp]:
    """The smallest margins of the model, the textbook's choice (Settles 2009); first at random."""
    if len(np.unique(market.labels[labelled])) < 2:
        return at_random(market, labelled, rng)
    rows = np.flatnonzero(~labelled)
    best = np.sort(market.forest(labelled)(rows), axis=1)
    hardest = np.argsort(best[:, -1] - best[:, -2], kind="stable")[:ROUND]
    return np.asarray(rows[hardest])


def going_on(market: Market, labelled: Mask, rng: np.random.Generator) -> NDArray[np.intp]:
    """The hours that follow those that are labelled, of the symbols that have labels."""
    if not labelled.any():
        return np.flatnonzero(one_stretch(market, rng))[:ROUND]
    last = int(np.flatnonzero(labelled)[-1])
    of = np.isin(market.symbols, np.unique(market.symbols[labelled]))
    after = np.flatnonzero(of & ~labelled & (np.arange(len(market)) > last))
    before = np.flatnonzero(of & ~labelled & (np.arange(len(market)) < last))[::-1]
    return np.asarray(np.r_[after, before][:ROUND])


STRATEGIES: Final[Mapping[str, Strategy]] = {
    "list": by_the_list,
    "random": at_random,
    "uncertainty": by_uncertainty,
    "going on": going_on,
}


def one_stretch(market: Market, rng: np.random.Generator) -> Mask:
    """200 rows of one symbol that follow one another, somewhere in the older half."""
    symbol = rng.choice(np.unique(market.symbols))
    of = np.flatnonzero(market.symbols == symbol)
    first = int(rng.integers(len(of) // 2))
    labelled = np.zeros(len(market), np.bool_)
    labelled[of[first : first + START]] = True
    return labelled


def spread(market: Market, rng: np.random.Generator) -> Mask:
    """200 labels at random."""
    labelled = np.zeros(len(market), np.bool_)
    labelled[rng.choice(len(market), START, replace=False)] = True
    return labelled


def none(market: Market, rng: np.random.Generator) -> Mask:
    """No label."""
    return np.zeros(len(market), np.bool_)


STARTS: Final = {"one stretch": one_stretch, "spread": spread, "none": none}


def label_on(market: Market, start: Mask, ask: Strategy, seed: int) -> Iterator[tuple[int, float]]:
    """Labels in rounds; yields further labels and the accuracy at each budget."""
    labelled, rng = start.copy(), np.random.default_rng(seed)
    for done in range(ROUND, max(BUDGETS) + 1, ROUND):
        labelled[ask(market, labelled, rng)] = True
        if done in BUDGETS:
            yield done, market.accuracy(labelled)


@cache
def simulated(seed: int) -> Market:
    """A market of 8 symbols and 250 days with three wrong labels in a hundred."""
    spec = MarketSpec(rows=48_000, symbols=tuple("ABCDEFGH"), labelled_share=1.0, seed=seed)
    return Market.of(simulate(spec))


def run(markets: Mapping[str, Market]) -> pd.DataFrame:
    """Accuracy of each market, start, strategy and number of further labels."""
    lines = []
    for name, market in markets.items():
        for k, (begun, start) in enumerate(STARTS.items()):
            first = start(market, np.random.default_rng(k))
            lines.append((name, begun, "(start)", 0, market.accuracy(first)))
            for strategy, ask in STRATEGIES.items():
                lines += [
                    (name, begun, strategy, *found) for found in label_on(market, first, ask, k)
                ]
    return pd.DataFrame(lines, columns=["market", "start", "strategy", "labels", "accuracy"])


def held(
    market: Market, ask: Strategy, rng: np.random.Generator
) -> tuple[bool, bool, float] | None:
    """One round: 300 labels asked for, judged as the product judges, and what is true.

    Returns:
        Whether the interval of the accuracy, and that of an accuracy to come, holds the accuracy on
        all rows of the holdout's time; and by how much the measured one is above it. None where no
        interval is given.
    """
    labelled = np.zeros(len(market), np.bool_)
    for _ in range(ROUNDS_OF_INTERVALS):
        labelled[ask(market, labelled, rng)] = True
    known = np.flatnonzero(labelled)
    split = split_by_time(market.timestamps[known], 0.2, timedelta(hours=24))
    model = market.forest(np.isin(np.arange(len(market)), known[split.training]))
    rows = np.flatnonzero(market.timestamps >= split.cut)
    right = (model(rows).argmax(axis=1) == market.labels[rows]).astype(float)
    judged = np.isin(rows, known[split.holdout])
    times = market.timestamps[rows][judged]
    reported = bootstrap_interval(right[judged], times)
    to_come = prediction_interval(right[judged], times)
    if reported is None or to_come is None:
        return None
    true, measured = float(right.mean()), float(right[judged].mean())
    holds, holds_to_come = (low <= true <= high for low, high in (reported, to_come))
    return holds, holds_to_come, measured - true


def first_deployment(market: Market, ask: Strategy, rng: np.random.Generator) -> int | None:
    """Labels until a model is first deployed: the gate's floors, then the promotion rule.

    It begins with 120 labels of one stretch, and goes on in rounds of 50 up to 600.
    """
    stretch = np.flatnonzero(one_stretch(market, rng))[:120]
    labelled = np.zeros(len(market), np.bool_)
    labelled[stretch] = True
    while labelled.sum() <= 600:
        if _passes(market, labelled):
            return int(labelled.sum())
        labelled[ask(market, labelled, rng)] = True
    return None


def _passes(market: Market, labelled: Mask) -> bool:
    """Whether the data gate's floors and the promotion rule say yes (no production yet)."""
    known = np.flatnonzero(labelled)
    y = market.labels[known]
    counts = np.bincount(y, minlength=len(REGIMES))
    present = counts[counts > 0]
    if len(known) < 300 or len(present) < 3 or present.min() < 10 or counts.max() > 0.7 * len(y):
        return False
    split = split_by_time(market.timestamps[known], 0.2, timedelta(hours=24))
    train, holdout = known[split.training], known[split.holdout]
    if len(np.unique(market.labels[train])) < 2:
        return False
    model = market.forest(np.isin(np.arange(len(market)), train))
    right = int((model(holdout).argmax(axis=1) == market.labels[holdout]).sum())
    frequent = np.bincount(market.labels[train]).argmax()
    always = int((market.labels[holdout] == frequent).sum())
    return right >= 0.65 * len(holdout) and right > always


def _margin(values: pd.Series) -> float:
    """Half of the 95% interval of a mean over markets (t)."""
    n = len(values)
    return float(student.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n)) if n > 1 else 0.0


def accuracy_table(found: pd.DataFrame) -> str:
    """Means over the markets, and the paired difference of the list to each other strategy."""
    lines = []
    for (start, labels), part in found[found["labels"] > 0].groupby(["start", "labels"]):
        wide = 100 * part.pivot(index="market", columns="strategy", values="accuracy")
        before = 100 * found[(found["start"] == start) & (found["labels"] == 0)]["accuracy"].mean()
        line = [
            start,
            f"{before:.1f}",
            labels,
            *(f"{wide[name].mean():.1f}" for name in STRATEGIES),
        ]
        for name in ("random", "uncertainty", "going on"):
            gain = wide["list"] - wide[name]
            line.append(f"{gain.mean():+.1f} ± {_margin(gain):.1f}")
        lines.append(line)
    head = [
        "start",
        "before",
        "further labels",
        *STRATEGIES,
        *(f"list to {n}" for n in ("random", "uncertainty", "going on")),
    ]
    return table_of(head, lines)


def aims(found: pd.DataFrame, *, simulated_markets: bool) -> list[str]:
    """Which aims are met."""
    lines = []
    for labels in BUDGETS:
        of = found[found["labels"] == labels]
        wide = 100 * of.pivot_table(index="start", columns="strategy", values="accuracy")
        gain = {
            (start, other): float(value)
            for start, row in wide.iterrows()
            for other, value in (row["list"] - row).items()
        }
        told = f"{labels} labels"
        if simulated_markets:
            on = gain["one stretch", "going on"], gain["one stretch", "random"]
            lines += [
                aim(f"one stretch, {told}: points above going on", on[0], least=30),
                aim(f"one stretch, {told}: points above random", on[1], least=-1),
                aim(f"spread, {told}: points above random", gain["spread", "random"], least=1),
            ]
        else:
            worst = min(value for (_, other), value in gain.items() if other == "random")
            lines.append(aim(f"real, {told}: points above random, worst start", worst, least=-2))
    return lines


def intervals_and_deployments(rounds: int) -> str:
    """How often the intervals hold, and how many labels a first deployment takes."""
    lines = []
    for name in ("list", "random"):
        told, labels = [], []
        for k in range(rounds):
            market, rng = simulated(1_000 + k % 40), np.random.default_rng(k)
            told.append(held(market, STRATEGIES[name], rng))
            if k < 40:
                labels.append(first_deployment(market, STRATEGIES[name], rng))
        given = np.array([one for one in told if one is not None], float)
        reached = [n for n in labels if n is not None]
        lines.append(
            (
                name,
                f"{given[:, 0].mean():.1%}",
                f"{given[:, 1].mean():.1%}",
                f"{100 * given[:, 2].mean():+.1f}",
                f"{len(given)} of {rounds}",
                f"{np.median(reached):.0f}",
                f"{np.median(reached) / ROUND - 120 / ROUND:.0f}",
                f"{len(reached)} of {len(labels)}",
            )
        )
    head = [
        "labels",
        "interval holds",
        "interval to come holds",
        "measured − true",
        "rounds",
        "labels to first deployment",
        "rounds of 50",
        "deployed within 600",
    ]
    return table_of(head, lines)


def main() -> None:
    """Runs all markets and writes the section."""
    described = argparse.ArgumentParser(description="What a label is worth.")
    described.add_argument("--markets", type=int, default=10)
    described.add_argument("--rounds", type=int, default=200, help="of the intervals")
    described.add_argument("--data", type=Path, help="Parquet of real labelled rows")
    given = described.parse_args()
    found = run({f"simulated {seed}": simulated(seed) for seed in range(given.markets)})
    parts = [accuracy_table(found), "\n".join(aims(found, simulated_markets=True))]
    if given.data:
        frame = pd.read_parquet(given.data)
        real = run({"real": Market.of(frame[frame["regime_label"].isin(REGIMES)])})
        parts += [
            f"Real rows:\n\n{accuracy_table(real)}",
            "\n".join(aims(real, simulated_markets=False)),
        ]
    else:
        parts.append("Real rows were not at hand (`--data`): those aims are not measured.")
    parts.append(intervals_and_deployments(given.rounds))
    body = "\n\n".join(
        (made_by(f"python -m benchmarks.labels --markets {given.markets}"), _TOLD, *parts)
    )
    put_section("Labels", body)
    print(body)


_TOLD: Final = """\
Accuracy out of time in percent, means over the markets; differences with their 95% interval (t,
paired by market). Forests of 60 trees. `one stretch`: 200 hours of one symbol; `spread`: 200 rows
at random. The lower table: 300 labels from none, `rounds` times; how often the interval of the
reported accuracy, and that of an accuracy to come, holds the accuracy on all rows of the holdout's
time; and, from 120 labels of one stretch, how many labels the gate's floors and the promotion
rule need for a first deployment (medians)."""


if __name__ == "__main__":
    main()
