"""Judges predictions as traders do: how often they switch, how late, how often in vain."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.contract import REGIMES
from ml.data.samples import Samples
from ml.errors import ModelError
from ml.json_files import read_json

_FLICKER_ROWS: Final = 3
_DAY: Final = 86_400
_HOUR: Final = 3_600

COSTS_FORM: Final = (
    f"JSON of {len(REGIMES)} lists of {len(REGIMES)} numbers: a list for each true regime "
    f"({', '.join(REGIMES)}), in it the cost of predicting each of them"
)

Labels = NDArray[np.integer[Any]]
Costs = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Switching:
    """Changes of regime over a holdout, as they were and as they were predicted.

    Rows count as neighbours where they are one usual step apart, the commonest of the holdout:
    over a gap nobody knows what was in between.

    Attributes:
        step_hours: the usual step; None if no symbol has two rows.
        neighbours: pairs of neighbouring rows.
        true_switches: true changes of regime for each symbol and day; None without neighbours.
        predicted_switches: predicted ones, likewise.
        true_flicker: share of true changes that are taken back within three rows; None without any.
        predicted_flicker: share of predicted changes, likewise.
        changes: true changes between neighbours.
        noticed: how many were predicted before the regime, or the unbroken row of rows, ended.
        delay_hours: median of the hours until then; 0: in the row of the change itself. None if
            none was noticed.
    """

    step_hours: float | None
    neighbours: int
    true_switches: float | None
    predicted_switches: float | None
    true_flicker: float | None
    predicted_flicker: float | None
    changes: int
    noticed: int
    delay_hours: float | None


def measure_switching(holdout: Samples, y_pred: Labels) -> Switching:
    """Compares changes of regime in time with the predicted ones, indices into `REGIMES` `[n]`."""
    by_symbol = list(holdout.rows_by_symbol().values())
    step = _usual_step([holdout.timestamps[rows] for rows in by_symbol])
    stretches = [
        rows[part] for rows in by_symbol for part in _unbroken(holdout.timestamps[rows], step)
    ]
    of_truth = [holdout.labels[rows] for rows in stretches]
    of_model = [y_pred[rows] for rows in stretches]
    pairs = sum(len(rows) - 1 for rows in stretches)
    days = pairs * step / _DAY
    delays = [
        delay
        for y_true, predicted in zip(of_truth, of_model, strict=True)
        for delay in _delays(y_true, predicted)
    ]
    noticed = [delay for delay in delays if delay is not None]
    return Switching(
        step / _HOUR if step else None,
        pairs,
        _switches(of_truth) / days if days else None,
        _switches(of_model) / days if days else None,
        _flicker(of_truth),
        _flicker(of_model),
        len(delays),
        len(noticed),
        float(np.median(noticed)) * step / _HOUR if noticed else None,
    )


def _usual_step(times: list[NDArray[np.datetime64]]) -> int:
    """Seconds between a symbol's rows, most often; 0 if none has two."""
    steps = np.concatenate([np.diff(of.astype(np.int64)) for of in times])
    found, counts = np.unique(steps, return_counts=True)
    return int(found[counts.argmax()]) if len(found) else 0


def _unbroken(times: NDArray[np.datetime64], step: int) -> Iterator[slice]:
    """The parts of a symbol's rows in which each is a step after the one before."""
    ends = np.flatnonzero(np.diff(times.astype(np.int64)) != step) + 1
    edges = [0, *ends.tolist(), len(times)]
    yield from (slice(start, end) for start, end in pairwise(edges))


def _changes(labels: Labels) -> NDArray[np.intp]:
    """The rows whose regime is another than in the row before."""
    return np.flatnonzero(labels[1:] != labels[:-1]) + 1


def _switches(stretches: Sequence[Labels]) -> int:
    return sum(len(_changes(labels)) for labels in stretches)


def _flicker(stretches: Sequence[Labels]) -> float | None:
    """The share of changes after which the former regime is back within three rows."""
    taken_back = [
        labels[at - 1] in labels[at + 1 : at + 1 + _FLICKER_ROWS]
        for labels in stretches
        for at in _changes(labels)
    ]
    return float(np.mean(taken_back)) if taken_back else None


def _delays(y_true: Labels, y_pred: Labels) -> Iterator[int | None]:
    """Of each true change: rows until its regime is predicted; None if it is over before."""
    for start, end in pairwise([*_changes(y_true), len(y_true)]):
        found = np.flatnonzero(y_pred[start:end] == y_true[start])
        yield int(found[0]) if len(found) else None


def read_costs(given: str) -> Costs:
    """Reads what each confusion costs, as `COSTS_FORM` says.

    Raises:
        ModelError: if it is no such table.
    """
    rows = read_json(given)
    widths = [len(row) for row in rows if isinstance(row, list)] if isinstance(rows, list) else []
    if widths != [len(REGIMES)] * len(REGIMES) or not all(
        isinstance(cost, int | float) and not isinstance(cost, bool) for row in rows for cost in row
    ):
        raise ModelError(f"DECISION_COSTS is {given!r}", f"give {COSTS_FORM}")
    return tuple(tuple(map(float, row)) for row in rows)


def mean_cost(y_true: Labels, y_pred: Labels, costs: NDArray[np.float64]) -> float:
    """What predictions cost on average; `costs[true, predicted]` is `[7, 7]`, n at least 1."""
    return float(costs[y_true, y_pred].mean())
