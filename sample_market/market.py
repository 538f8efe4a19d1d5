"""A whole simulated market: regimes, bars, features and labels in one frame.

Which rows people labelled, and where they were wrong, is drawn here too.
"""

from datetime import UTC, datetime
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.contract import COUNTS, FEATURES, REGIMES
from sample_market.bars import simulate_bars
from sample_market.indicators import WARM_UP_HOURS, ema_alignment, features
from sample_market.regimes import draw_path
from sample_market.spec import MarketSpec

COLUMNS: tuple[str, ...] = ("symbol", "timestamp", *FEATURES, "ema_alignment", "regime_label")
"""Columns of `regime_features` in order."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EMAS = ("ema_9", "ema_21", "ema_55", "ema_200")


def simulate(spec: MarketSpec) -> pd.DataFrame:
    """Simulates a market and labels some of its rows.

    Args:
        spec: what to simulate; the same spec gives the same frame.

    Returns:
        `spec.rows` rows with the columns of `regime_features`, sorted by symbol and time: float64,
        uint8 counts, datetime64[s] without a zone (UTC); an unlabelled row's label is empty.
    """
    rng = np.random.default_rng(spec.seed)
    total = spec.hours + WARM_UP_HOURS
    last = int((spec.end - _EPOCH).total_seconds()) // 3600
    hours = np.arange(last - total + 1, last + 1)
    times = pd.DatetimeIndex((hours * 3600).astype("datetime64[s]"))
    paths = [draw_path(total, rng) for _ in spec.symbols]
    columns = features(simulate_bars(spec.symbols, paths, times, rng))
    columns["ema_alignment"] = ema_alignment([columns[name] for name in _EMAS])
    kept = _kept_rows(spec)
    table = {
        "symbol": np.repeat(np.array(spec.symbols), spec.hours)[kept],
        "timestamp": np.tile(times.to_numpy()[WARM_UP_HOURS:], len(spec.symbols))[kept],
        **{name: _stacked(frame, name)[kept] for name, frame in columns.items()},
    }
    regimes = np.concatenate([path.regime[WARM_UP_HOURS:] for path in paths])[kept]
    symbols = np.repeat(np.arange(len(spec.symbols)), spec.hours)[kept]
    ages = np.tile(np.arange(spec.hours), len(spec.symbols))[kept]
    picked = pick_labelled(ages, symbols, spec.labelled_share, rng)
    table["regime_label"] = _labels(regimes, picked, spec.label_error_share, rng)
    return pd.DataFrame(table)


def _kept_rows(spec: MarketSpec) -> NDArray[np.int64]:
    """All rows but the surplus of whole hours: the oldest hour of the last symbols."""
    surplus = spec.hours * len(spec.symbols) - spec.rows
    oldest = np.arange(len(spec.symbols) - surplus, len(spec.symbols)) * spec.hours
    return np.setdiff1d(np.arange(spec.hours * len(spec.symbols)), oldest)


def _stacked(frame: pd.DataFrame, name: str) -> NDArray[np.generic]:
    """One column of all symbols below each other, without the warm-up, in its table's type."""
    values = frame.to_numpy()[WARM_UP_HOURS:].T.reshape(-1)
    return values.astype(np.uint8) if name in COUNTS else values


def _labels(
    regimes: NDArray[np.int64],
    picked: NDArray[np.bool_],
    error_share: float,
    rng: np.random.Generator,
) -> NDArray[np.object_]:
    labels = np.full(len(regimes), "", dtype=object)
    names = np.array(REGIMES, dtype=object)
    labels[picked] = names[mislabel(regimes[picked], error_share, rng)]
    return labels


STRETCH_HOURS: Final = 3
"""People look at a chart and label a few hours of it at once."""

_DAY_HOURS = 24

CONFUSED_WITH: Final[dict[str, tuple[str, ...]]] = {
    "trend_up": ("breakout", "accumulation"),
    "trend_down": ("breakout", "distribution"),
    "range": ("accumulation", "distribution"),
    "breakout": ("trend_up", "trend_down", "volatile"),
    "volatile": ("breakout", "distribution"),
    "accumulation": ("range", "trend_up"),
    "distribution": ("range", "trend_down"),
}
"""Regimes that look alike to a person."""


def pick_labelled(
    hours: NDArray[np.int64], symbols: NDArray[np.int64], share: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Picks rows to label: short stretches, about the same share of every day and symbol.

    Args:
        hours: hour of each row, counted from any start.
        symbols: index of each row's symbol.
        share: of all rows; met exactly, rounded to whole rows.
        rng: source of every random number.
    """
    stretch, day = hours // STRETCH_HOURS, hours // _DAY_HOURS
    lottery = rng.random((int(symbols.max()) + 1, int(stretch.max()) + 1))
    order = np.lexsort((hours, lottery[symbols, stretch], day, symbols))
    begins = np.flatnonzero(np.diff((symbols * (day.max() + 1) + day)[order], prepend=-1))
    sizes = np.diff(begins, append=len(order))
    # The offset of each day breaks ties, so that a small share is not one of the first days only.
    firsts = begins - rng.random(len(begins))
    rank = (np.arange(len(order)) - np.repeat(firsts, sizes)) / np.repeat(sizes, sizes)
    picked = np.zeros(len(hours), dtype=np.bool_)
    picked[order[np.argsort(rank, kind="stable")[: round(share * len(hours))]]] = True
    return picked


def mislabel(
    regimes: NDArray[np.int64], share: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Replaces a share of the regimes by one that a person confuses it with."""
    wrong = rng.choice(len(regimes), round(share * len(regimes)), replace=False)
    named = regimes.copy()
    for row, chance in zip(wrong, rng.random(len(wrong)), strict=True):
        rivals = CONFUSED_WITH[REGIMES[regimes[row]]]
        named[row] = REGIMES.index(rivals[int(chance * len(rivals))])
    return named
