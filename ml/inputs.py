"""What the forest is given of a row: no prices and no volumes, but how they stand to one another.

A tree that splits on a price knows nothing once the price has doubled, nor of a symbol it has not
seen. The file does the same as `forest_inputs`, operation by operation in float32, so both give the
same bits; `docs/decisions/009` has what was tried and what it gains.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.contract import FEATURES, PRICED

RATIOS: Final[tuple[tuple[str, str], ...]] = (
    ("ema_9", "ema_21"),
    ("ema_21", "ema_55"),
    ("ema_55", "ema_200"),
    ("ema_9", "ema_200"),
    ("atr_14", "ema_21"),
    ("liquidations_24h", "volume_24h"),
)
"""Numerator and denominator of each ratio."""

KEPT: Final = tuple(k for k, name in enumerate(FEATURES) if name not in PRICED)
"""Columns of the features that are given as they are."""

OVER: Final = tuple(FEATURES.index(over) for over, _ in RATIOS)
UNDER: Final = tuple(FEATURES.index(under) for _, under in RATIOS)

INPUTS: Final = (*(FEATURES[k] for k in KEPT), *(f"{over} / {under}" for over, under in RATIOS))
"""Names of the forest's inputs, in the order of its columns."""

LEAST: Final = np.float32(1e-30)
"""A denominator that is not above this counts as this: nothing is divided by zero."""
MOST: Final = np.float32(1e30)
"""A ratio whose size is not below this counts as this: nothing is infinite."""


def forest_inputs(X: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Turns features into the forest's inputs.

    Args:
        X: `[n, 22]`, columns in the order of `FEATURES`; used as float32.

    Returns:
        float32 `[n, 21]`, columns in the order of `INPUTS`.

    >>> row = np.ones((1, 22))
    >>> row[0, FEATURES.index("ema_9")] = 1.5
    >>> dict(zip(INPUTS, forest_inputs(row)[0].tolist()))["ema_9 / ema_21"]
    1.5
    """
    with np.errstate(over="ignore", invalid="ignore"):
        X = X.astype(np.float32)
        under = np.where(X[:, UNDER] > LEAST, X[:, UNDER], LEAST)
        ratios = X[:, OVER] / under
        ratios = np.where(np.abs(ratios) < MOST, ratios, MOST)
    return np.concatenate([X[:, KEPT], ratios], axis=1)
