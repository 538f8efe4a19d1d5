"""Ranks unlabelled rows by what a label of theirs would be worth; arrays in, rows out.

First the weeks of a symbol that have no label, then regimes that the data gate finds too rare, then
rows on which the model hesitates. The newest stretch, on which models are judged, is drawn by lot:
labels of hard rows only would make every model look worse than it is. `docs/decisions/024` has what
this gains over other orders.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml.contract import REGIMES
from ml.data.samples import utc

WINDOW: Final = timedelta(hours=24)
"""Rows of a symbol that are not so far apart share what they count: the longest window that a
feature counts whole is 24 hours (an average of 200 hours has most of its weight in fewer)."""
BLOCK: Final = timedelta(days=7)
"""Labels are spread over blocks of a symbol and a week."""

_Mask = NDArray[np.bool_]
_Chosen = tuple[int, str]
"""A row of the pool, and why."""
_DRAWN: Final = "drawn for the verdict"
_EMPTY_BLOCK: Final = "no label of this symbol in this week"
_THIN_BLOCK: Final = "few labels of this symbol in this week"


@dataclass(frozen=True, eq=False)
class Pool:
    """Unlabelled rows, or a part drawn by lot; none overlaps the window of a labelled one.

    Attributes:
        symbols: text `[n]`.
        timestamps: datetime64[s] `[n]`, UTC.
        lots: uint64 `[n]`, a hash of each row; the smaller ones are drawn first.
    """

    symbols: NDArray[Any]
    timestamps: NDArray[np.datetime64]
    lots: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.symbols)


@dataclass(frozen=True)
class LabelCoverage:
    """Where labels are.

    Attributes:
        blocks: number of labels by symbol and block, blocks counted from 1970.
        regimes: number of labels by regime.
        first: oldest timestamp of the table, labelled or not.
        last: its newest one.
    """

    blocks: Mapping[tuple[str, int], int]
    regimes: Mapping[str, int]
    first: np.datetime64
    last: np.datetime64

    @property
    def labels(self) -> int:
        """Number of labels."""
        return sum(self.blocks.values())


@dataclass(frozen=True)
class Wishes:
    """What the list should hold.

    Attributes:
        rows: how many at most.
        holdout_fraction: share of the labels that judges models: the newest.
        min_samples_per_class: fewest labels of a regime that occurs.
        min_class_share: smallest share of such a regime, of at most 5,000 labels.
    """

    rows: int = 50
    holdout_fraction: float = 0.2
    min_samples_per_class: int = 10
    min_class_share: float = 0.01

    def floor(self, labels: int) -> int:
        """Fewest labels that a regime should have, of so many in all."""
        share = int(np.ceil(self.min_class_share * min(labels, 5_000)))
        return max(self.min_samples_per_class, share)


@dataclass(frozen=True)
class WantedRow:
    """A row to label.

    Attributes:
        rank: from 1 on.
        symbol: of the row.
        timestamp: ISO 8601, UTC.
        why: in words.
        production: regime that the model in production predicts; empty without one.
        candidate: likewise the run's candidate.
    """

    rank: int
    symbol: str
    timestamp: str
    why: str
    production: str = ""
    candidate: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def newest_stretch(coverage: LabelCoverage, holdout_fraction: float) -> np.datetime64:
    """Where the newest share of the table's time begins, which is drawn by lot."""
    span = (coverage.last - coverage.first).astype(np.int64)
    return coverage.last - np.timedelta64(round(span * holdout_fraction), "s")


def choose_rows(
    pool: Pool,
    coverage: LabelCoverage,
    wishes: Wishes,
    probabilities: NDArray[np.float64] | None = None,
) -> list[_Chosen]:
    """Chooses rows whose windows do not overlap, the same for the same data.

    Args:
        pool: rows to choose from.
        coverage: where labels are.
        wishes: how many, and what of.
        probabilities: a model's `[n, 7]`; None without a model.

    Returns:
        Rows of the pool, best first, each with its reason.
    """
    newest = newest_stretch(coverage, wishes.holdout_fraction)
    older = pool.timestamps < newest
    drawing = _Drawing(pool, coverage)
    judged = drawing.even(round(wishes.holdout_fraction * wishes.rows), ~older, _DRAWN)
    rest = wishes.rows - len(judged)
    if probabilities is None:
        chosen = drawing.even(rest, older, _EMPTY_BLOCK, only_empty=True)
    else:
        # Hard rows stay out of what will judge models, also where labels begin late or end early.
        trains = older & (pool.timestamps < drawing.holdout_start(wishes))
        best = _two_best(probabilities)
        margin = np.where(trains, best.margin, pool.lots / 2.0**64)
        rare = _rare(coverage, wishes)
        kept_for_rare = min(sum(rare.values()), rest // 2)
        chosen = drawing.even(rest - kept_for_rare, older, _EMPTY_BLOCK, margin, only_empty=True)
        chosen += drawing.likely(rare, kept_for_rare, trains, probabilities)
        chosen += drawing.hesitant(rest - len(chosen), trains, best)
    chosen += drawing.even(rest - len(chosen), older, _THIN_BLOCK)
    return _interleaved(chosen, judged)


def rank_rows(
    pool: Pool,
    chosen: list[_Chosen],
    production: NDArray[np.int64] | None,
    candidate: NDArray[np.int64] | None,
) -> tuple[WantedRow, ...]:
    """The chosen rows with what models predict `[n]` of each; None without one."""

    def named(predicted: NDArray[np.int64] | None, row: int) -> str:
        return "" if predicted is None else REGIMES[int(predicted[row])]

    return tuple(
        WantedRow(
            rank,
            str(pool.symbols[row]),
            utc(pool.timestamps[row]).isoformat(),
            why,
            named(production, row),
            named(candidate, row),
        )
        for rank, (row, why) in enumerate(chosen, start=1)
    )


class _TwoBest(NamedTuple):
    """The two likeliest regimes of each row `[n, 2]`, and how far apart they are `[n]`."""

    regimes: NDArray[np.intp]
    margin: NDArray[np.float64]


def _two_best(probabilities: NDArray[np.float64]) -> _TwoBest:
    regimes = np.argsort(-probabilities, axis=1, kind="stable")[:, :2]
    first, second = np.take_along_axis(probabilities, regimes, axis=1).T
    return _TwoBest(regimes, first - second)


class _Drawing:
    """What is left of the pool, and how many labels each block has with what was chosen."""

    def __init__(self, pool: Pool, coverage: LabelCoverage) -> None:
        self.pool, self.coverage = pool, coverage
        self.left = np.ones(len(pool), np.bool_)
        names, self.symbol = np.unique(pool.symbols.astype(str), return_inverse=True)
        number = {str(name): k for k, name in enumerate(names)}
        week = block_of(pool.timestamps)
        labelled = [(number.get(name, -1), at, n) for (name, at), n in coverage.blocks.items()]
        known = np.array(labelled, np.int64).reshape(len(labelled), 3)
        self.first_week = int(min([*week, *known[:, 1]], default=0))
        self.week = week - self.first_week
        weeks = int(max([*self.week, *(known[:, 1] - self.first_week)], default=0)) + 1
        # The last line is of symbols that have no row in the pool.
        self.labels = np.zeros((len(names) + 1, weeks), np.int64)
        np.add.at(self.labels, (known[:, 0], known[:, 1] - self.first_week), known[:, 2])

    def even(
        self,
        rows: int,
        among: _Mask,
        why: str,
        margin: NDArray[np.float64] | None = None,
        *,
        only_empty: bool = False,
    ) -> list[_Chosen]:
        """Takes from the blocks with fewest labels, weeks and symbols in turn; in them by lot.

        Args:
            rows: how many at most.
            among: which may be taken.
            why: their reason.
            margin: takes the smallest of a block in place of lots.
            only_empty: whether blocks that have a label are left alone.
        """
        within = () if margin is None else (margin,)
        chosen: list[_Chosen] = []
        while len(chosen) < rows:
            of_block = self._of_block()
            of_week = self.labels.sum(axis=0)[self.week]
            of_symbol = self.labels.sum(axis=1)[self.symbol]
            allowed = among & (of_block == 0) if only_empty else among
            row = self._take(allowed, of_block, of_week, of_symbol, *within)
            if row is None:
                break
            chosen.append((row, why))
        return chosen

    def likely(
        self, rare: Mapping[int, int], rows: int, among: _Mask, probabilities: NDArray[np.float64]
    ) -> list[_Chosen]:
        """Takes the likeliest rows of each regime that is too rare, in turn."""
        chosen: list[_Chosen] = []
        predicted = probabilities.argmax(axis=1)
        turns = [(turn, regime) for regime, missing in rare.items() for turn in range(missing)]
        for _, regime in sorted(turns)[:rows]:
            row = self._take(among & (predicted == regime), -probabilities[:, regime])
            if row is not None:
                name = REGIMES[regime]
                has = self.coverage.regimes[name]
                chosen.append((row, f"{name} has {has} of {has + rare[regime]}: likely one"))
        return chosen

    def hesitant(self, rows: int, among: _Mask, best: "_TwoBest") -> list[_Chosen]:
        """Takes from the blocks with fewest labels the rows whose two best regimes are closest."""
        chosen: list[_Chosen] = []
        while len(chosen) < rows:
            row = self._take(among, self._of_block(), best.margin)
            if row is None:
                break
            one, other = (REGIMES[k] for k in best.regimes[row])
            chosen.append((row, f"the model hesitates between {one} and {other}"))
        return chosen

    def holdout_start(self, wishes: Wishes) -> np.datetime64:
        """Start of the week in which the holdout will begin once the whole list is labelled."""
        judging = wishes.holdout_fraction * (self.coverage.labels + wishes.rows)
        newest_first = np.cumsum(self.labels.sum(axis=0)[::-1])
        back = int(np.searchsorted(newest_first, judging))
        week = self.first_week + max(0, self.labels.shape[1] - 1 - back)
        return np.datetime64(week * int(BLOCK.total_seconds()), "s")

    def _of_block(self) -> NDArray[np.int64]:
        return np.asarray(self.labels[self.symbol, self.week])

    def _take(self, among: _Mask, *keys: NDArray[Any]) -> int | None:
        """The row of the smallest first key, of those of the smallest second, and so on."""
        rows = np.flatnonzero(among & self.left)
        for key in (*keys, self.pool.lots):
            values = key[rows]
            rows = rows[values == values.min()] if len(rows) else rows
        if not len(rows):
            return None
        row = int(rows[0])
        apart = np.abs(self.pool.timestamps - self.pool.timestamps[row])
        self.left &= (self.symbol != self.symbol[row]) | (apart >= np.timedelta64(WINDOW))
        self.labels[self.symbol[row], self.week[row]] += 1
        return row


def block_of(timestamps: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Number of the block that each timestamp lies in, counted from 1970."""
    return timestamps.astype("datetime64[s]").astype(np.int64) // int(BLOCK.total_seconds())


def _rare(coverage: LabelCoverage, wishes: Wishes) -> dict[int, int]:
    """How many labels are missing of each regime that has some, but too few."""
    floor = wishes.floor(coverage.labels)
    counts = {REGIMES.index(name): n for name, n in coverage.regimes.items() if name in REGIMES}
    return {regime: floor - n for regime, n in counts.items() if 0 < n < floor}


def _interleaved(chosen: list[_Chosen], judged: list[_Chosen]) -> list[_Chosen]:
    """Spreads the rows of the verdict over the list: whoever stops early has their share."""
    places = [
        ((k + 0.5) / len(part), row) for part in (chosen, judged) for k, row in enumerate(part)
    ]
    return [row for _, row in sorted(places, key=lambda pair: pair[0])]
