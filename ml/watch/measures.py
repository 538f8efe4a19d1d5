"""What a day's rows say of inputs and answers: arrays in, facts as plain values out."""

from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession

from ml.contract import FEATURES, REGIMES
from ml.inputs import INPUTS, forest_inputs
from ml.onnx_model import score

_OUT: Final = 0.25
"""Share of a symbol's rows outside of what training saw, from which on that symbol is named."""
_LEAP, _NEAR, _MOST = 5.0, 0.2, 0.5
"""A leap in usual steps, how near it lands to the other, and the share of symbols that do both."""
_JUMP: Final = np.log(1.25)
_NAMED: Final = 5
_SLOWEST: Final = FEATURES.index("ema_200")

Rows = Mapping[str, NDArray[Any]]
"""`features` float32 `[n, 22]`, `timestamps` datetime64[s] `[n]`, `symbols` `[n]`, by time."""
Facts = Mapping[str, Any]


def measure_inputs(rows: Rows, profile: Facts, before: Facts) -> dict[str, Any]:
    """Compares a day's rows with production's training rows.

    Args:
        rows: at least one; rows with a value that is not finite are left out, the gate's rules
            name them.
        profile: of the training rows, see `ml.data.profile`; empty if nothing is known.
        before: `ema_200` of each symbol at the end of the day before.

    Returns:
        `outside`: of each input the symbols of which a quarter of the rows lie outside of what
        training saw, half its range further; `exchanged`: pairs of columns of which each went on
        where the other had ended; `jumps`: by which factor the slowest average of a symbol jumped;
        `last`: where it ended; `bins`: rows in each bin of training; `symbol_days`: how many
        symbols.
    """
    finite = np.isfinite(rows["features"]).all(axis=1)
    X, times = rows["features"][finite], rows["timestamps"][finite]
    names, which = np.unique(rows["symbols"][finite].astype(str), return_inverse=True)
    parts = [np.flatnonzero(which == k) for k in range(len(names))]
    by_symbol = dict(zip(map(str, names), parts, strict=True))
    inputs = profile.get("inputs") or {}
    known = {n: v for n, v in zip(INPUTS, forest_inputs(X).T, strict=True) if n in inputs}
    exchanged = _exchanged(X, times, by_symbol, profile.get("features") or {})
    jumps, last = _jumps(X[:, _SLOWEST], by_symbol, before)
    outside = {n: _outside(v, inputs[n], which, names) for n, v in known.items()}
    return {
        "rows": len(rows["features"]),
        "symbol_days": len(names),
        "outside": {name: found for name, found in outside.items() if found},
        "exchanged": exchanged,
        "jumps": jumps,
        "last": last,
        "bins": {n: _binned(v, inputs[n]["edges"]) for n, v in known.items()},
    }


def measure_answers(rows: Rows, session: InferenceSession) -> dict[str, Any]:
    """Asks a model for each row that it can be asked about.

    Returns:
        `rows`; `regimes`: rows of each answer; `runs` of one answer in the rows of a symbol, summed
        over `symbols`; `steady`: of each regime the symbols for which nothing else was answered;
        `tail`: the regime of the newest row, and the share of the rows since it was the only one;
        `confidence`: mean probability of the answer, None without rows.
    """
    finite = np.isfinite(rows["features"]).all(axis=1)
    labels, probabilities = score(session, rows["features"][finite], "production model")
    symbols = rows["symbols"][finite].astype(str)
    order = np.argsort(symbols, kind="stable")
    symbols, sorted_labels = symbols[order], labels[order]
    starts = np.flatnonzero(np.r_[True, symbols[1:] != symbols[:-1]])[: len(labels)]
    switched = (sorted_labels[1:] != sorted_labels[:-1]) & (symbols[1:] == symbols[:-1])
    others = np.flatnonzero(labels != labels[-1]) if len(labels) else labels
    alone = len(labels) - (int(others[-1]) + 1 if len(others) else 0)
    within = np.add.reduceat(np.r_[0, switched], starts) - np.r_[0, switched][starts]
    return {
        "rows": len(labels),
        "symbols": len(starts),
        "regimes": np.bincount(labels, minlength=len(REGIMES)).tolist(),
        "runs": len(starts) + int(switched.sum()),
        "steady": np.bincount(sorted_labels[starts[within == 0]], minlength=len(REGIMES)).tolist(),
        "tail": [int(labels[-1]), alone / len(labels)] if len(labels) else [0, 0.0],
        "confidence": float(probabilities.max(axis=1).mean()) if len(labels) else None,
    }


def correct_by_day(rows: Rows, session: InferenceSession) -> dict[str, tuple[int, int]]:
    """Of each day with labelled rows how many there are, and how many a model predicts correctly.

    Args:
        rows: all with a label, as index into `REGIMES`, in `labels`.
        session: an open model.
    """
    finite = np.isfinite(rows["features"]).all(axis=1)
    answers, _ = score(session, rows["features"][finite], "production model")
    right = answers == rows["labels"][finite]
    days, which = np.unique(rows["timestamps"][finite].astype("datetime64[D]"), return_inverse=True)
    counts = zip(np.bincount(which), np.bincount(which, right), strict=True)
    return {str(day): (int(n), int(k)) for day, (n, k) in zip(days, counts, strict=True)}


def bounds_of(low: float, high: float) -> tuple[float, float]:
    """How far a value may lie outside of what training saw: half of that range on either side.

    Of a quantity that spans more than a factor of ten, half of the range of its logarithm.

    >>> bounds_of(-1.0, 1.0), bounds_of(1.0, 100.0), bounds_of(3.0, 3.0)
    ((-2.0, 2.0), (0.1, 1000.0), (-inf, inf))
    """
    if low == high:
        return -np.inf, np.inf
    if 0 < 10 * low < high:
        factor = float(np.sqrt(high / low))
        return low / factor, high * factor
    return low - (high - low) / 2, high + (high - low) / 2


def _outside(
    values: NDArray[np.float32], entry: Facts, which: NDArray[np.intp], names: NDArray[Any]
) -> dict[str, Any]:
    low, high = bounds_of(entry["low"], entry["high"])
    out = (values < low) | (values > high)
    if not out.any():
        return {}
    rows = np.bincount(which, minlength=len(names))
    shares = np.bincount(which, out, len(names)) / np.maximum(rows, 1)
    found = np.flatnonzero(shares >= _OUT)
    if not len(found):
        return {}
    worst = values[out][np.argmax(np.abs(values[out]))]
    return {
        "symbols": [str(names[k]) for k in found[:_NAMED]],
        "count": len(found),
        "share": float(out.mean()),
        "example": float(f"{worst:.4g}"),
        "range": [float(f"{entry[end]:.4g}") for end in ("low", "high")],
    }


def _exchanged(
    X: NDArray[np.float32],
    times: NDArray[np.datetime64],
    by_symbol: Mapping[str, NDArray[np.intp]],
    features: Facts,
) -> list[list[str]]:
    """Pairs of columns that changed places at one moment, for most of the symbols.

    From one row to the next both leap, as seen by the feature's usual step, and each lands where
    the other was.
    """
    names = [n for n in FEATURES if n in features and not features[n]["whole"]]
    columns = [FEATURES.index(name) for name in names]
    found: Counter[tuple[Any, int, int]] = Counter()
    for rows in by_symbol.values():
        values = X[rows][:, columns].astype(float)
        steps = np.abs(np.diff(values, axis=0))
        leaps = steps > _LEAP * np.maximum(np.median(steps, axis=0), 1e-12) if len(steps) else steps
        for t in np.flatnonzero(leaps.sum(axis=1) >= 2):
            for i, j in combinations(np.flatnonzero(leaps[t]), 2):
                stayed = max(steps[t, i], steps[t, j])
                across = abs(values[t + 1, i] - values[t, j]), abs(values[t + 1, j] - values[t, i])
                if max(across) < _NEAR * stayed:
                    found[times[rows[t + 1]], int(i), int(j)] += 1
    least = max(2, _MOST * len(by_symbol))
    most = {(names[i], names[j]) for (_, i, j), count in found.items() if count >= least}
    return [list(pair) for pair in sorted(most)]


def _jumps(
    averages: NDArray[np.float32], by_symbol: Mapping[str, NDArray[np.intp]], before: Facts
) -> tuple[dict[str, float], dict[str, float]]:
    """Factors by which the slowest average of a symbol changed from one row to the next."""
    jumps, last = {}, {}
    for symbol, part in by_symbol.items():
        values = averages[part].astype(float)
        start = before.get(symbol)
        row = np.r_[start, values] if start else values
        if not (row > 0).all():
            continue
        steps = np.diff(np.log(row))
        if len(steps) and np.abs(steps).max() > _JUMP:
            jumps[symbol] = float(f"{np.exp(steps[np.argmax(np.abs(steps))]):.3g}")
        last[symbol] = float(f"{values[-1]:.6g}")
    return jumps, last


def _binned(values: NDArray[np.float32], edges: list[float]) -> list[int]:
    placed = np.searchsorted(np.array(edges, np.float32), values)
    counts: list[int] = np.bincount(placed, minlength=len(edges) + 1).tolist()
    return counts
