"""What a day's rows say of inputs and answers: arrays in, facts as plain values out."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession

from ml.contract import COUNTS, FEATURES, REGIMES
from ml.inputs import INPUTS, forest_inputs
from ml.onnx_model import score

_OUT: Final = 0.25
"""Share of a symbol's rows outside of what training saw, from which on that symbol is named."""
_FEW: Final = 12
"""Fewest moments by which columns are told apart."""
_COMPARED, _MOMENTS = 20, 48
"""Symbols, and moments of a day, at which columns are compared."""
_LIKELIER: Final = 10.0
"""Logarithm of how much likelier half of the symbols must be with two columns exchanged back; twice
that where one counts events. On quiet days it is 3.6 at most (18 with counts)."""
_MOVES: Final = 0.25
"""Share of the steps in which a column must move, to be told from another."""
_JUMP: Final = np.log(1.25)
_NAMED: Final = 5
_SLOWEST: Final = FEATURES.index("ema_200")

Rows = Mapping[str, NDArray[Any]]
"""`features` float32 `[n, 22]`, `timestamps` datetime64[s] `[n]`, `symbols` `[n]`, by time."""
Facts = Mapping[str, Any]
Values = NDArray[np.float64]


def measure_inputs(rows: Rows, profile: Facts, before: Facts) -> dict[str, Any]:
    """Compares a day's rows with production's training rows.

    Args:
        rows: at least one; rows with a value that is not finite are left out, the gate's rules
            name them.
        profile: of the training rows, see `ml.data.profile`; empty if nothing is known.
        before: what this gave for the day before; empty if nothing is known.

    Returns:
        `outside`: of each input the symbols of which a quarter of the rows lie outside of what
        training saw, half its range further; `exchanged`: pairs of columns that changed places in
        the course of the day; `ends`: the newest row of the symbols by which that is seen; `jumps`:
        by which factor the slowest average of a symbol jumped; `last`: where it ended; `bins`: rows
        in each bin of training; `symbol_days`: how many symbols.
    """
    finite = np.isfinite(rows["features"]).all(axis=1)
    X, times = rows["features"][finite], rows["timestamps"][finite]
    names, which = np.unique(rows["symbols"][finite].astype(str), return_inverse=True)
    parts = [np.flatnonzero(which == k) for k in range(len(names))]
    by_symbol = dict(zip(map(str, names), parts, strict=True))
    inputs = profile.get("inputs") or {}
    known = {n: v for n, v in zip(INPUTS, forest_inputs(X).T, strict=True) if n in inputs}
    jumps, last = _jumps(X[:, _SLOWEST], by_symbol, before.get("last") or {})
    outside = {n: _outside(v, inputs[n], which, names) for n, v in known.items()}
    return {
        "rows": len(rows["features"]),
        "symbol_days": len(names),
        "outside": {name: found for name, found in outside.items() if found},
        "exchanged": _exchanged(_paths(X, times, by_symbol, before.get("ends") or {})),
        "ends": {s: _short(X[by_symbol[s][-1]]) for s in _with_most_rows(by_symbol)},
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


def _exchanged(path: Values) -> list[list[str]]:
    """Pairs of columns that changed places at one moment, for most of the symbols.

    Steps from row to row are taken as Laplace's, with the day's own scale: a pair is found if the
    day is far likelier with the two exchanged back from some moment on. Both a leap to where the
    other was and another roughness since then tell of it.

    Args:
        path: as `_paths` gives it.
    """
    steps = np.abs(np.diff(path, axis=0))
    if len(steps) < _FEW or path.shape[1] < 2:
        return []
    least_step = np.where([name in COUNTS for name in FEATURES], 1.0, np.finfo(float).tiny)
    until = np.cumsum(steps, axis=0)
    before, after, moves = until - steps, until[-1] - until, (steps > 0).mean(axis=0) >= _MOVES
    usual = np.log(until[-1] + least_step)
    gains = {}
    for i, j in combinations(range(len(FEATURES)), 2):
        back = sum(
            np.log(before[..., a] + _across(path, a, b) + after[..., b] + least_step[a])
            for a, b in ((i, j), (j, i))
        )
        gain = len(steps) * (usual[:, i] + usual[:, j] - back) * (moves[:, i] & moves[:, j])
        least = _LIKELIER * (1 + (FEATURES[i] in COUNTS or FEATURES[j] in COUNTS))
        gains[i, j] = np.median(gain, axis=1).max() / least
    found: list[list[str]] = []
    for pair in sorted(gains, key=lambda pair: -gains[pair]):
        names = [FEATURES[k] for k in pair]
        # One that was found makes others likelier that look like it.
        if gains[pair] > 1 and not {*names} & {name for other in found for name in other}:
            found.append(names)
    return sorted(found)


def _across(path: Values, one: int, other: int) -> Values:
    """The step of a column if it goes on in the other."""
    return np.abs(path[1:, :, other] - path[:-1, :, one])


def _paths(
    X: NDArray[np.float32],
    times: NDArray[np.datetime64],
    by_symbol: Mapping[str, NDArray[np.intp]],
    ends: Mapping[str, Any],
) -> Values:
    """The features of some symbols at the same moments of a day, `[1 + moments, symbols, 22]`.

    The first is where the day before ended, as far as that is known.
    """
    moments = np.unique(times)
    if len(moments) > _MOMENTS:
        moments = moments[np.linspace(0, len(moments) - 1, _MOMENTS).astype(int)]
    paths = []
    for symbol in _with_most_rows(by_symbol):
        rows = by_symbol[symbol]
        newest = np.searchsorted(times[rows], moments, side="right") - 1
        start = ends.get(symbol, X[rows[0]])
        paths.append(np.vstack([start, np.where(newest[:, None] < 0, start, X[rows[newest]])]))
    return np.array(paths, float).reshape(-1, len(moments) + 1, len(FEATURES)).swapaxes(0, 1)


def _with_most_rows(by_symbol: Mapping[str, NDArray[np.intp]]) -> list[str]:
    return sorted(by_symbol, key=lambda symbol: (-len(by_symbol[symbol]), symbol))[:_COMPARED]


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


def _short(row: NDArray[np.float32]) -> list[float]:
    return [float(f"{value:.7g}") for value in row]


def _binned(values: NDArray[np.float32], edges: list[float]) -> list[int]:
    placed = np.searchsorted(np.array(edges, np.float32), values)
    counts: list[int] = np.bincount(placed, minlength=len(edges) + 1).tolist()
    return counts
