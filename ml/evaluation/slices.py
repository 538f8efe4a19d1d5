"""Accuracy of parts of the holdout: of each symbol, and over time."""

from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.data.samples import Samples, utc

_MOST_PERIODS: Final = 12
_ROWS_OF_A_PERIOD: Final = 25
"""With fewer rows, a period's accuracy says more about chance than about time."""

Right = NDArray[np.bool_]


def accuracy_by_symbol(holdout: Samples, right: Right) -> list[dict[str, Any]]:
    """Accuracy of each symbol, the symbol with most rows first.

    Args:
        holdout: the rows scored.
        right: whether a row was predicted correctly `[n]`.
    """
    return [
        {"symbol": symbol, "samples": len(rows), "accuracy": float(right[rows].mean())}
        for symbol, rows in holdout.rows_by_symbol().items()
    ]


def accuracy_over_time(
    holdout: Samples, right: Right, compared: Right | None = None, other: Right | None = None
) -> list[dict[str, Any]]:
    """Accuracy in periods of equal length, as many as the rows allow, at most twelve.

    Args:
        holdout: the rows scored.
        right: whether the candidate predicted a row correctly `[n]`.
        compared: rows on which production is judged `[n]`.
        other: whether production predicted a row correctly `[n]`; None if there is none.

    Returns:
        Periods with rows, oldest first: `start` and `end` of the rows in it, `samples`, `accuracy`
        and `production_accuracy`, None where no row of it was compared.
    """
    count = int(np.clip(len(holdout) // _ROWS_OF_A_PERIOD, 1, _MOST_PERIODS))
    moments = holdout.timestamps.astype(np.int64)
    edges = np.linspace(moments[0], moments[-1], count + 1)[1:-1]
    starts = [0, *np.searchsorted(moments, edges, side="right").tolist(), len(holdout)]
    periods = [slice(start, end) for start, end in pairwise(starts)]
    return [
        {
            "start": utc(holdout.timestamps[part][0]).isoformat(),
            "end": utc(holdout.timestamps[part][-1]).isoformat(),
            "samples": part.stop - part.start,
            "accuracy": float(right[part].mean()),
            "production_accuracy": _share(other, compared, part),
        }
        for part in periods
        if part.start < part.stop
    ]


def _share(right: Right | None, among: Right | None, part: slice) -> float | None:
    if right is None or among is None or not among[part].any():
        return None
    return float(right[part][among[part]].mean())
