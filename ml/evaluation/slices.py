"""Parts of the holdout: accuracy by symbol and over time, the worst errors, regimes in time.

`right` is whether the candidate predicted each row of the holdout correctly `[n]`, `y_pred` the
index into `REGIMES` that it predicted `[n]`, `probabilities` those of each regime `[n, 7]`.
"""

from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.contract import REGIMES
from ml.data.samples import Samples, utc

_MOST_PERIODS: Final = 12
_MOST_ERRORS: Final = 20
_MOST_STRIPS: Final = 8
_MOST_SPANS: Final = 400
_NEWEST: Final = np.timedelta64(2, "D")
_ROWS_OF_A_PERIOD: Final = 25
"""With fewer rows, a period's accuracy says more about chance than about time."""

Right = NDArray[np.bool_]


def accuracy_by_symbol(holdout: Samples, right: Right) -> list[dict[str, Any]]:
    """Accuracy of each symbol, the symbol with most rows first."""
    return [
        {"symbol": symbol, "samples": len(rows), "accuracy": float(right[rows].mean())}
        for symbol, rows in holdout.rows_by_symbol().items()
    ]


def accuracy_over_time(
    holdout: Samples, right: Right, compared: Right | None = None, other: Right | None = None
) -> list[dict[str, Any]]:
    """Accuracy in periods of equal length, as many as the rows allow, at most twelve.

    Production's (`other`, None if there is none) is that of the rows that were `compared`.

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


def recall_against(
    holdout: Samples, right: Right, compared: Right, other: Right | None
) -> list[dict[str, Any]]:
    """Of each regime with rows that were compared: both models' share; empty without production."""
    if other is None:
        return []
    of_regime = {name: compared & (holdout.labels == k) for k, name in enumerate(REGIMES)}
    return [
        {
            "regime": name,
            "rows": int(rows.sum()),
            "candidate": float(right[rows].mean()),
            "production": float(other[rows].mean()),
        }
        for name, rows in of_regime.items()
        if rows.any()
    ]


def accuracy_at_changes(holdout: Samples, right: Right) -> dict[str, Any]:
    """Accuracy where a symbol's regime differs from that of its row before: hard, and it pays."""
    changed = np.zeros(len(holdout), bool)
    for rows in holdout.rows_by_symbol().values():
        changed[rows[1:]] = holdout.labels[rows[1:]] != holdout.labels[rows[:-1]]
    return _accuracy_of(right[changed])


def accuracy_of_newest(holdout: Samples, right: Right) -> dict[str, Any]:
    """Accuracy of the newest two days, with `rows`."""
    return _accuracy_of(right[holdout.timestamps > holdout.timestamps[-1] - _NEWEST])


def worst_errors(
    holdout: Samples, y_pred: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """The errors of which the model was most sure, at most twenty, the surest first."""
    wrong = np.flatnonzero(y_pred != holdout.labels)
    sure = probabilities[wrong].max(axis=1)
    return as_errors(holdout, wrong[np.argsort(-sure, kind="stable")], y_pred, probabilities)


def as_errors(
    samples: Samples,
    rows: NDArray[np.intp],
    y_pred: NDArray[np.integer[Any]],
    probabilities: NDArray[np.float64],
) -> list[dict[str, Any]]:
    """The first twenty of some rows: symbol, time, label, and what a model says how surely."""
    return [
        {
            "symbol": str(samples.symbols[row]),
            "timestamp": utc(samples.timestamps[row]).isoformat(),
            "true": REGIMES[samples.labels[row]],
            "predicted": REGIMES[y_pred[row]],
            "probability": float(probabilities[row].max()),
        }
        for row in rows[:_MOST_ERRORS]
    ]


def strips(holdout: Samples, y_pred: NDArray[np.int64]) -> list[dict[str, Any]]:
    """True and predicted regimes over the holdout's time, of the symbols with most rows.

    Returns:
        Of each symbol `true` and `predicted`: spans of one regime as `[from, to, regime]`, in
        shares of the holdout's time, at most 400 of the newest.
    """
    first, last = holdout.timestamps[0], holdout.timestamps[-1]
    length = max(1.0, float((last - first).astype(np.int64)))
    places = (holdout.timestamps - first).astype(np.int64) / length
    return [
        {
            "symbol": symbol,
            "true": _spans(places[rows], holdout.labels[rows]),
            "predicted": _spans(places[rows], y_pred[rows]),
        }
        for symbol, rows in list(holdout.rows_by_symbol().items())[:_MOST_STRIPS]
    ]


def _spans(places: NDArray[np.float64], regimes: NDArray[Any]) -> list[list[float]]:
    starts = np.flatnonzero(np.r_[True, regimes[1:] != regimes[:-1]])
    ends = np.r_[places[starts[1:]], 1.0]
    found = zip(places[starts].round(4).tolist(), ends.round(4).tolist(), starts, strict=True)
    return [[start, end, int(regimes[row])] for start, end, row in found][-_MOST_SPANS:]


def _accuracy_of(right: Right) -> dict[str, Any]:
    return {"rows": len(right), "accuracy": float(right.mean()) if len(right) else None}


def _share(right: Right | None, among: Right | None, part: slice) -> float | None:
    if right is None or among is None or not among[part].any():
        return None
    return float(right[part][among[part]].mean())
