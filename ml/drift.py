"""How far the features of later rows have moved from those a model was trained on."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.contract import FEATURES
from ml.samples import Samples


def drift_since(profile: Mapping[str, Any], later: Samples) -> list[dict[str, Any]]:
    """The population stability index of each feature, the furthest first.

    The sum over the bins of `(a - e) * ln(a / e)` of the shares of rows `a` now and `e` in training
    (N. Siddiqi, Credit Risk Scorecards, 2006); an empty bin counts as half a row. The data gate
    does the same in SQL, for what production was trained on.

    Args:
        profile: of the training rows, as `ml.profile.profile_of` made it.
        later: at least one row.
    """
    found = []
    for name, values in zip(FEATURES, later.features.T, strict=True):
        then = profile["features"][name]
        edges = np.array(then["edges"], np.float32)
        now = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
        found.append({"feature": name, "psi": _psi(now, np.array(then["counts"]))})
    return sorted(found, key=lambda row: -row["psi"])


def _psi(now: NDArray[np.intp], then: NDArray[np.intp]) -> float:
    a, e = (np.maximum(counts, 0.5) / counts.sum() for counts in (now, then))
    return float(np.sum((a - e) * np.log(a / e)))
