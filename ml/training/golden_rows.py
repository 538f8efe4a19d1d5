"""Chooses the golden rows of a file, and has the file answer them."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession

from ml.contract import REGIMES
from ml.data.samples import Samples, utc
from ml.golden import Golden, GoldenRow, ThresholdRow
from ml.inputs import KEPT
from ml.onnx_model import load_model, score
from ml.trees import Trees, trees_of

_ROWS: Final = 32
_NEWEST: Final = 8
_LOOKED_AT: Final = 5_000
_OF_A_REGIME: Final = 50
"""Rows that are looked at, and the newest of each regime, if there are more."""
_TRIED: Final = 512
_PAIRS: Final = 8
"""Splits that are tried, and those kept because the answer changes most there."""
_DECIMALS: Final = 7
_CLEAR: Final = 1e-3
"""A lead of the best regime that no other order of adding up takes from it."""

Rows = NDArray[np.intp]


def golden_rows(model: bytes, samples: Samples) -> Golden:
    """Chooses 32 labelled rows and 16 on thresholds; the same file and samples give the same.

    The rows are the newest eight, of each regime the surest and the most doubtful one, and others
    spread over time. Then, of up to eight features, one of them moved to a threshold and to the
    next float32 above it, which no real row need be on: thresholds that are off by one step of a
    float32 change these answers.
    """
    session = load_model(model)
    rows = _chosen(session, samples)
    told = _written(samples.features[rows])
    labels, probabilities = _answers(session, told)
    chosen = [
        GoldenRow(
            str(samples.symbols[row]),
            utc(samples.timestamps[row]).isoformat(),
            told[k].tolist(),
            int(labels[k]),
            probabilities[k].tolist(),
        )
        for k, row in enumerate(rows)
    ]
    return Golden(chosen, list(_threshold_rows(session, trees_of(model), told)))


def _chosen(session: InferenceSession, samples: Samples) -> Rows:
    count = len(samples)
    of_regimes = [np.flatnonzero(samples.labels == k)[-_OF_A_REGIME:] for k in range(len(REGIMES))]
    drawn = np.random.default_rng(0).choice(count, min(count, _LOOKED_AT), replace=False)
    newest = np.arange(max(0, count - _OF_A_REGIME), count)
    pool = np.unique(np.concatenate([drawn, newest, *of_regimes]))
    lead = _lead(score(session, samples.features[pool])[1])
    clear = lead > _CLEAR if (lead > _CLEAR).any() else np.ones(len(pool), bool)
    pool, lead = pool[clear], lead[clear]
    extremes = []
    for k in np.unique(samples.labels[pool]):
        of_regime = np.flatnonzero(samples.labels[pool] == k)
        extremes += [of_regime[lead[of_regime].argmax()], of_regime[lead[of_regime].argmin()]]
    chosen = np.union1d(pool[-_NEWEST:], pool[extremes])
    others = np.setdiff1d(pool, chosen)
    spread = np.linspace(0, len(others) - 1, min(len(others), _ROWS - len(chosen))).astype(int)
    return np.union1d(chosen, others[spread])


def _lead(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """By how much the best regime is ahead of the next, of `[..., 7]`."""
    ranked = np.sort(probabilities, axis=-1)
    lead: NDArray[np.float64] = ranked[..., -1] - ranked[..., -2]
    return lead


def _threshold_rows(
    session: InferenceSession, trees: Trees, told: NDArray[np.float64]
) -> Iterator[ThresholdRow]:
    """Pairs of rows that differ in the last bit of one feature, those with most effect."""
    rng = np.random.default_rng(0)
    # Of a ratio the quotient counts, whose last bit is not a feature's.
    splits = np.flatnonzero((trees.inputs >= 0) & (trees.inputs < len(KEPT)))  # no leaves
    if not len(splits):
        return
    tried = rng.choice(splits, _TRIED)
    rows, columns = rng.integers(len(told), size=_TRIED), np.array(KEPT)[trees.inputs[tried]]
    at = trees.thresholds[tried]
    values = _written(np.stack([at, np.nextafter(at, np.float32(np.inf))]))
    moved = np.repeat(told[rows][np.newaxis], 2, axis=0)
    moved[:, range(_TRIED), columns] = values
    labels, probabilities = _answers(session, moved.reshape(2 * _TRIED, -1))
    labels, probabilities = labels.reshape(2, _TRIED), probabilities.reshape(2, _TRIED, -1)
    effect = np.abs(probabilities[0] - probabilities[1]).max(axis=1)
    effect[_lead(probabilities).min(axis=0) <= _CLEAR] = 0
    best: dict[int, int] = {}
    for k in np.argsort(-effect, kind="stable").tolist():
        if effect[k] > 0:
            best.setdefault(int(columns[k]), k)
    for column, k in list(best.items())[:_PAIRS]:
        for side in range(2):
            answer = int(labels[side, k]), probabilities[side, k].tolist()
            yield ThresholdRow(int(rows[k]), column, float(values[side, k]), *answer)


def _written(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """The shortest decimals that are the same float32 numbers, to be short in the file."""
    return values.astype(str).astype(np.float64)


def _answers(session: InferenceSession, rows: NDArray[Any]) -> tuple[NDArray[np.int64], Any]:
    labels, probabilities = score(session, rows)
    return labels, probabilities.round(_DECIMALS)
