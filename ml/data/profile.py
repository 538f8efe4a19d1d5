"""What a model's training rows looked like, small enough to travel with it.

The data gate of the next run compares its rows with this; nothing here judges.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.contract import COUNTS, FEATURES, PRICED
from ml.data.samples import Samples
from ml.inputs import INPUTS, forest_inputs
from ml.threads import in_threads

_DECILES: Final = np.arange(1, 10) / 10
_MAX_SYMBOLS: Final = 200
_MOST_ROWS: Final = 50_000
_MIN_ROWS: Final = 20
"""Fewest rows that a quantile is taken of."""
_FEWEST_MONTHS: Final = 3

Values = NDArray[np.float32]
RowsBySymbol = dict[str, NDArray[np.intp]]


def profile_of(samples: Samples) -> dict[str, Any]:
    """Describes samples by counts and quantiles; the same samples give the same dict.

    Returns:
        `rows`; `symbol_days`: pairs of a symbol and a day that have a row; `regimes`: rows by
        label; `features`: of each its bins (`edges` and `counts`), whether it is `constant` or
        mostly `whole` numbers, and the middle of its size, which is one pair for all rows (`size`)
        or, where that depends on the symbol, one for each of the 200 symbols with most rows
        (`sizes`). Counts of events have no unit, and so no size. `inputs`: of each input of the
        forest its bins, the smallest and largest value (`low`, `high`), and the largest index of a
        month against all (`month_psi`), None where there are fewer than three months.
    """
    days = samples.timestamps.astype("datetime64[D]")
    by_symbol = samples.rows_by_symbol()

    months = _months(samples)

    def describe_input(values: Values) -> dict[str, Any]:
        edges, counts = _bins(values)
        ends = {"low": float(str(values.min())), "high": float(str(values.max()))}
        placed = np.searchsorted(edges, values)
        apart = [
            psi(np.bincount(placed[m], minlength=len(counts)), np.array(counts)) for m in months
        ]
        month_psi = round(max(apart), 4) if len(apart) >= _FEWEST_MONTHS else None
        return {"edges": edges, "counts": counts, **ends, "month_psi": month_psi}

    def describe(name: str) -> dict[str, Any]:
        values = samples.features[:, FEATURES.index(name)]
        return _shape(values) | _middle(name, values, by_symbol)

    return {
        "rows": len(samples),
        "symbol_days": sum(_changes(days[rows]) + 1 for rows in by_symbol.values()),
        "regimes": samples.class_counts(),
        "features": dict(zip(FEATURES, in_threads(describe, FEATURES), strict=True)),
        "inputs": dict(
            zip(INPUTS, map(describe_input, forest_inputs(samples.features).T), strict=True)
        ),
    }


def _months(samples: Samples) -> list[slice]:
    """The rows of each 28 days that has enough of them."""
    since = (samples.timestamps - samples.timestamps[0]) // np.timedelta64(28, "D")
    ends = np.searchsorted(since, np.arange(int(since[-1]) + 2))
    months = [slice(a, b) for a, b in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)]
    return [month for month in months if month.stop - month.start >= _MIN_ROWS]


def _changes(sorted_values: NDArray[Any]) -> int:
    return int(np.count_nonzero(sorted_values[1:] != sorted_values[:-1]))


def _shape(values: Values) -> dict[str, Any]:
    edges, counts = _bins(values)
    return {
        "edges": edges,
        "counts": counts,
        "constant": bool(values.min() == values.max()),
        "whole": bool(np.mean(values == np.floor(values)) > 0.5),
    }


def _bins(values: Values) -> tuple[list[float], list[int]]:
    """Cuts at the inner deciles; a bin holds the values above one edge up to the next, inclusive.

    Ties make equal deciles, which are merged, and no edge is the maximum: each bin has rows.
    """
    deciles = np.unique(np.quantile(values, _DECILES, method="inverted_cdf"))
    edges = deciles[deciles < values.max()]
    counts = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
    # The shortest decimal that is this float32, so that comparing as float32 splits ties alike.
    return [float(str(edge)) for edge in edges], counts.tolist()


def _middle(name: str, values: Values, by_symbol: RowsBySymbol) -> dict[str, Any]:
    if name in COUNTS:
        return {}
    if name not in PRICED:
        return {"size": _size(values)}
    most = sorted(list(by_symbol)[:_MAX_SYMBOLS])
    sizes = {symbol: _size(values[by_symbol[symbol]]) for symbol in most}
    return {"sizes": {symbol: size for symbol, size in sizes.items() if size}}


def _size(values: Values) -> list[float] | None:
    """The middle half of |x|, zeros left out: `[25 %, 75 %]`; None where there are few."""
    sizes = np.abs(values[values != 0])
    if len(sizes) < _MIN_ROWS:
        return None
    return [float(f"{edge:.4g}") for edge in np.quantile(sizes, (0.25, 0.75))]


def input_drift(train: Samples, later: Samples) -> list[dict[str, Any]]:
    """The population stability index of each input of the forest, the furthest first.

    The sum over the bins of `(a - e) * ln(a / e)` of the shares of rows `a` now and `e` in training
    (N. Siddiqi, Credit Risk Scorecards, 2006); an empty bin counts as half a row. Of inputs and not
    of features: a price that has risen changes no ratio. The data gate compares the features, with
    what production was trained on.

    Args:
        train: the training rows, of which at most 50,000 are looked at.
        later: at least one row.
    """
    then, now = (forest_inputs(rows.features) for rows in (train.at_most(_MOST_ROWS), later))
    found = []
    for name, before, values in zip(INPUTS, then.T, now.T, strict=True):
        edges, counts = _bins(before)
        placed = np.searchsorted(np.array(edges, np.float32), values)
        index = psi(np.bincount(placed, minlength=len(edges) + 1), np.array(counts))
        found.append({"feature": name, "psi": index})
    return sorted(found, key=lambda row: -row["psi"])


def psi(now: NDArray[np.intp], then: NDArray[np.intp]) -> float:
    """That index of two rows of counts."""
    a, e = (np.maximum(counts, 0.5) / counts.sum() for counts in (now, then))
    return float(np.sum((a - e) * np.log(a / e)))
