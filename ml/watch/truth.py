"""Whether production is worse than it promised, asked again every day as labels come.

Looking daily and stopping at the first bad day makes a usual test alarm sooner or later. A
confidence sequence holds at all looks together: it is built of bets on the accuracy of the next
block (I. Waudby-Smith and A. Ramdas, Estimating means of bounded random variables by betting,
JRSS B 86, 2024: capital processes of constant bets, averaged: diversified Kelly betting).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Block = tuple[str, int, int]
"""A day, labelled rows of it that are new since the last look, and those predicted correctly."""

CHANCE: Final = 0.005
"""That the sequence ever leaves the truth out, however long and often one looks."""
_LEAST_ROWS: Final = 10
"""Fewer rows wait for those of the next day: a block is to be an accuracy, not a coin."""
_BETS: Final = np.array([0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9])
"""Parts of the wealth that are put at stake, each by one gambler."""
_GRID: Final = np.linspace(0.0005, 0.9995, 1000)
Values = NDArray[np.float64]


def new_blocks(
    counted: Sequence[Block], labelled: Mapping[str, tuple[int, int]]
) -> tuple[Block, ...]:
    """Adds what is labelled since the last look, so that each label counts once.

    Args:
        counted: the blocks so far, in the order in which they were counted.
        labelled: of each day all rows with a label, and how many of them production predicts
            correctly. A label that was taken back or changed is not counted again.
    """
    found = list(counted)
    for day, (rows, right) in sorted(labelled.items()):
        had = [block for block in found if block[0] == day]
        more = rows - sum(block[1] for block in had)
        if more > 0:
            gained = right - sum(block[2] for block in had)
            found.append((day, more, int(np.clip(gained, 0, more))))
    return tuple(found)


def accuracies_of(blocks: Sequence[Block]) -> Values:
    """Accuracy of each block; blocks of a few rows are put together with those that follow."""
    found, rows, right = [], 0, 0
    for _, block_rows, block_right in blocks:
        rows, right = rows + block_rows, right + block_right
        if rows >= _LEAST_ROWS:
            found.append(right / rows)
            rows, right = 0, 0
    return np.array(found)


def confidence_sequence(accuracies: Values, chance: float = CHANCE) -> tuple[float, float]:
    """Both ends of the accuracy, at all looks so far together.

    It holds if the mean accuracy of a block, given those before, is always the same: neighbouring
    rows are alike, so a block is a day and not a row.

    Args:
        accuracies: one a block, 0 to 1, in the order in which they came.
        chance: that it ever leaves the truth out, both ends together.

    >>> low, high = confidence_sequence(np.tile([0.2, 0.3], 20))
    >>> 0.1 < low < 0.25 < high < 0.4
    True
    """
    highest = _largest_not_refused(accuracies, chance / 2)
    lowest = 1 - _largest_not_refused(1 - accuracies, chance / 2)
    return lowest, highest


def _largest_not_refused(x: Values, chance: float) -> float:
    """The smallest mean such that gamblers who bet on less have become rich, ever; 1 if none."""
    bets = _BETS[:, None] / (1 - _GRID)
    wealth = np.ones_like(bets)
    richest = np.ones_like(_GRID)
    for value in x:
        wealth = wealth * (1 + bets * (_GRID - value))
        richest = np.maximum(richest, wealth.mean(axis=0))
    refused = np.flatnonzero(richest >= 1 / chance)
    return float(_GRID[refused[0]]) if len(refused) else 1.0


def measure_truth(blocks: Sequence[Block], metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What labels say of production since it was trained.

    Returns:
        `rows` and `right` of all blocks, `days` of them, `low` and `high` of the accuracy,
        `promised`: the lower end of what production's holdout promised, and whether it is `worse`.
    """
    accuracies = accuracies_of(blocks)
    low, high = confidence_sequence(accuracies)
    interval = metrics.get("accuracy_interval")
    promised = interval[0] if interval else metrics.get("test_accuracy")
    return {
        "rows": sum(block[1] for block in blocks),
        "right": sum(block[2] for block in blocks),
        "days": len(accuracies),
        "low": low,
        "high": high,
        "promised": promised,
        "worse": promised is not None and high < promised,
    }
