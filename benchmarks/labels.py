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

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.contract import FEATURES, REGIMES
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
