"""What changes for the application if a candidate replaces production: both asked the same rows."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession

from ml.contract import REGIMES
from ml.onnx_model import score
from ml.words import percent

_MOST_PAIRS: Final = 10
_MOST_SYMBOLS: Final = 20
_TOLD: Final = 3
Labels = NDArray[np.int64]


def compare_answers(
    rows: Mapping[str, NDArray[Any]], candidate: InferenceSession, production: InferenceSession
) -> dict[str, Any] | None:
    """Compares what two models say of rows that nobody has labelled yet.

    Args:
        rows: `features` float32 `[n, 22]`, `timestamps`, `symbols`, by time; those with a value
            that is not finite are left out.
        candidate: an open model.
        production: the one that trades.

    Returns:
        `rows` and `days`; `differ`: share of the rows on which they differ; `pairs` of regimes with
        their rows, and `symbols` with their shares, the most first; `switches`: from one regime to
        another, a symbol and day, of each model; `words` for people. None without rows.
    """
    finite = np.isfinite(rows["features"]).all(axis=1)
    X, symbols = rows["features"][finite], rows["symbols"][finite].astype(str)
    if not len(X):
        return None
    new, old = score(candidate, X)[0], score(production, X, "production model")[0]
    days = rows["timestamps"][finite].astype("datetime64[D]")
    symbol_days = len({*zip(symbols.tolist(), days.tolist(), strict=True)})
    both = {"candidate": new, "production": old}
    told: dict[str, Any] = {
        "rows": len(X),
        "days": len(np.unique(days)),
        "differ": float(np.mean(new != old)),
        "pairs": _pairs(new, old),
        "symbols": _by_symbol(new != old, symbols),
        "switches": {name: _switches(of, symbols) / symbol_days for name, of in both.items()},
    }
    return told | {"words": list(_words(told))}


def _switches(labels: Labels, symbols: NDArray[Any]) -> int:
    order = np.argsort(symbols, kind="stable")
    labels, symbols = labels[order], symbols[order]
    return int(np.sum((labels[1:] != labels[:-1]) & (symbols[1:] == symbols[:-1])))


def _pairs(new: Labels, old: Labels) -> list[dict[str, Any]]:
    apart = new != old
    counted = Counter(zip(old[apart].tolist(), new[apart].tolist(), strict=True))
    return [
        {"production": REGIMES[before], "candidate": REGIMES[after], "rows": count}
        for (before, after), count in counted.most_common(_MOST_PAIRS)
    ]


def _by_symbol(apart: NDArray[np.bool_], symbols: NDArray[Any]) -> list[dict[str, Any]]:
    names, which = np.unique(symbols, return_inverse=True)
    shares = np.bincount(which, apart) / np.bincount(which)
    most = np.argsort(-shares, kind="stable")[:_MOST_SYMBOLS]
    return [{"symbol": str(names[k]), "differ": float(shares[k])} for k in most]


def _words(told: Mapping[str, Any]) -> Iterator[str]:
    differ = told["differ"]
    how = f"otherwise than production on {percent(differ)}" if differ else "as production does"
    yield (
        f"On the newest {told['rows']:,} unlabelled rows of {told['days']} days the candidate "
        f"answers {how}."
    )
    pairs = [f"{p['production']} → {p['candidate']} {p['rows']:,}" for p in told["pairs"][:_TOLD]]
    if pairs:
        yield f"Most: {', '.join(pairs)} rows."
    often = ", ".join(f"{name} {count:.1f}" for name, count in told["switches"].items())
    yield f"Switches from one regime to another, a symbol and day: {often}."
