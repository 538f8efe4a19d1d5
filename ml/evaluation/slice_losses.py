"""Finds the regimes and symbols on which a candidate is worse than production beyond chance."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ml.contract import REGIMES
from ml.data.samples import Samples
from ml.evaluation.statistics import bootstrap_interval

_MIN_ROWS: Final = 30
_CHANCE: Final = 0.05
_MOST_TOLD: Final = 10


@dataclass(frozen=True)
class SliceLoss:
    """A part of the holdout on which production is better.

    Attributes:
        name: `symbol X` or `regime X`.
        rows: rows that both predicted.
        loss: production's accuracy less the candidate's, above 0.
        interval: of the loss; it lies above 0.
    """

    name: str
    rows: int
    loss: float
    interval: tuple[float, float]

    def __str__(self) -> str:
        low, high = (f"{100 * end:.1f}" for end in self.interval)
        return (
            f"{self.name} loses {100 * self.loss:.1f} points to production beyond chance "
            f"({low} to {high} on its {self.rows} rows)"
        )


@dataclass(frozen=True)
class SliceLosses:
    """What was looked at, and where the candidate loses.

    Attributes:
        judged: slices with enough rows to tell.
        losing: those it loses on beyond chance, the largest loss first, at most ten.
    """

    judged: int
    losing: tuple[SliceLoss, ...]


def losing_slices(
    holdout: Samples,
    candidate: NDArray[np.bool_],
    production: NDArray[np.bool_],
    compared: NDArray[np.bool_],
) -> SliceLosses:
    """Compares both models on each regime and each symbol, pairing their rows.

    A slice loses beyond chance if the interval of its loss lies above zero. The intervals are
    those of all slices at once (Bonferroni): of k slices, each is one of 1 - 0.05 / k, so that
    equal models are told apart anywhere in at most 5% of the holdouts.

    Args:
        holdout: the rows scored.
        candidate: which of them the candidate predicted correctly `[n]`.
        production: which ones production did `[n]`.
        compared: rows on which both are judged `[n]`.
    """
    slices = {name: rows for name, rows in _slices(holdout, compared) if len(rows) >= _MIN_ROWS}
    found = []
    for name, rows in slices.items():
        losses = production[rows].astype(float) - candidate[rows]
        loss = float(losses.mean())
        if loss <= 0:
            continue
        level = 1 - _CHANCE / len(slices)
        interval = bootstrap_interval(losses, holdout.timestamps[rows], level=level)
        if interval and interval[0] > 0:
            found.append(SliceLoss(name, len(rows), loss, (interval[0], interval[1])))
    losing = sorted(found, key=lambda one: (-one.loss, one.name))
    return SliceLosses(len(slices), tuple(losing[:_MOST_TOLD]))


def _slices(
    holdout: Samples, compared: NDArray[np.bool_]
) -> Iterator[tuple[str, NDArray[np.intp]]]:
    if len(holdout.rows_by_symbol()) > 1:
        for symbol, rows in holdout.rows_by_symbol().items():
            yield f"symbol {symbol}", rows[compared[rows]]
    for k, regime in enumerate(REGIMES):
        yield f"regime {regime}", np.flatnonzero(compared & (holdout.labels == k))
