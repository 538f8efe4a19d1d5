"""Which rows people labelled, and where they were wrong."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ml.contract import REGIMES

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
