"""Golden rows: labelled rows that a model file carries with the answers it gave when it was made.

Whoever loads the file compares its own features and answers with them, so that other feature code
or another runtime shows at the start and not in trades. `docs/application.md` has the format and
the check in four languages; `ml.training.golden_rows` chooses the rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession
from pydantic import TypeAdapter, ValidationError

from ml.contract import FEATURES, REGIMES
from ml.errors import ModelBroken
from ml.json_files import read_json
from ml.onnx_model import read_metadata, score

KEY: Final = "golden_rows"
"""Name of the metadata entry."""
PROBABILITY_TOLERANCE: Final = 1e-5
"""Runtimes add up in another order, in float32; a row that takes another way in one tree of 200
differs by more."""
FEATURE_TOLERANCE: Final = 1e-6
"""Of the value: the file keeps float32, which is what the model computes with."""
_OF_LARGEST: Final = 1e-9
"""Of the feature's largest value: what subtracting leaves of a number that is zero."""

Key = tuple[str, str]


@dataclass(frozen=True)
class GoldenRow:
    """A labelled row: what the application must compute, and what the file answers.

    Attributes:
        symbol: of the row.
        timestamp: ISO 8601 UTC.
        inputs: the 22 features in the order of `FEATURES`.
        output: index into `REGIMES`.
        probabilities: of each of `REGIMES`, with seven decimals.
    """

    symbol: str
    timestamp: str
    inputs: list[float]
    output: int
    probabilities: list[float]

    def __str__(self) -> str:
        return f"{self.symbol} at {self.timestamp}"


@dataclass(frozen=True)
class ThresholdRow:
    """A golden row in which one feature lies on a threshold of the trees, or just above it.

    Attributes:
        row: place of the golden row.
        column: place of the feature.
        value: what it is here.
        output: index into `REGIMES`.
        probabilities: of each of `REGIMES`, with seven decimals.
    """

    row: int
    column: int
    value: float
    output: int
    probabilities: list[float]


@dataclass(frozen=True)
class Golden:
    """What the metadata of a file have under `golden_rows`."""

    rows: list[GoldenRow]
    thresholds: list[ThresholdRow]

    def inputs(self) -> NDArray[np.float64]:
        """The rows to ask the file for `[n, 22]`: golden ones, then those on thresholds."""
        rows = np.array([row.inputs for row in self.rows])
        moved = rows[[at.row for at in self.thresholds]]
        moved[range(len(moved)), [at.column for at in self.thresholds]] = [
            at.value for at in self.thresholds
        ]
        return np.concatenate([rows, moved])


_ADAPTER: Final = TypeAdapter(Golden)


def read_golden(session: InferenceSession, name: str) -> Golden:
    """Reads the golden rows of an open file.

    Raises:
        ModelBroken: if it has none, or what cannot be any.
    """
    try:
        golden = _ADAPTER.validate_python(read_json(read_metadata(session).get(KEY)))
        widths = {(len(row.inputs), len(row.probabilities)) for row in golden.rows}
        if widths != {(len(FEATURES), len(REGIMES))}:
            raise ValueError(f"they have {widths} numbers")
        golden.inputs()
    except (ValidationError, ValueError, IndexError) as error:
        problem = f"its metadata have no golden rows to check with ({KEY})"
        raise ModelBroken(name, (problem,), "train a model with this pipeline") from error
    return golden


def answer_problems(session: InferenceSession, golden: Golden, name: str) -> Iterator[str]:
    """Says which golden rows are answered otherwise here than when the file was made.

    Raises:
        ModelBroken: if the file does not answer.
    """
    labels, probabilities = score(session, golden.inputs(), name)
    told: list[GoldenRow | ThresholdRow] = [*golden.rows, *golden.thresholds]
    apart = np.abs(probabilities - [row.probabilities for row in told]).max(axis=1)
    wrong = np.flatnonzero(
        (apart > PROBABILITY_TOLERANCE) | (labels != [row.output for row in told])
    )
    if not len(wrong):
        return
    worst = int(wrong[np.argmax(apart[wrong])])
    row = told[worst]
    where = str(row) if isinstance(row, GoldenRow) else _on_threshold(golden, row)
    yield (
        f"{len(wrong)} of {len(told)} answers differ, the most that of {where}: "
        f"{REGIMES[labels[worst]]} where {REGIMES[row.output]} was answered when the file was "
        f"made, probabilities up to {apart[worst]:.2g} apart"
    )


def feature_problems(golden: Golden, found: Mapping[Key, Sequence[float]]) -> Iterator[str]:
    """Names each feature that somebody computes otherwise, and how.

    Args:
        golden: of the file.
        found: the 22 features that they have of rows, by symbol and ISO 8601 timestamp.
    """
    rows = [row for row in golden.rows if (row.symbol, row.timestamp) in found]
    if not rows:
        yield f"none of the {len(golden.rows)} golden rows is there, so no feature was compared"
        return
    told = np.array([row.inputs for row in rows])
    given = np.array([found[row.symbol, row.timestamp] for row in rows], float)
    room = FEATURE_TOLERANCE * np.abs(told) + _OF_LARGEST * np.abs(told).max(axis=0)
    wrong = ~(np.abs(given - told) <= room)
    for column in np.flatnonzero(wrong.any(axis=0)).tolist():
        worst = int(np.argmax(np.nan_to_num(np.abs(given - told)[:, column], nan=np.inf)))
        yield (
            f"{FEATURES[column]} differs in {np.count_nonzero(wrong[:, column])} of {len(rows)} "
            f"rows, the most of {rows[worst]}: {given[worst, column]:.9g} instead of "
            f"{told[worst, column]:.9g}{_likely_cause(given[:, column], told, column, room)}"
        )


def _likely_cause(
    given: NDArray[np.float64], told: NDArray[np.float64], column: int, room: NDArray[np.float64]
) -> str:
    """What would make a column so: another feature's values, or another unit."""
    for other in range(len(FEATURES)):
        if other != column and np.all(np.abs(given - told[:, other]) <= room[:, other]):
            return f"; these are the values of {FEATURES[other]}"
    known = told[:, column] != 0
    factors = given[known] / told[known, column]
    alike = len(factors) > 1 and np.ptp(factors) <= FEATURE_TOLERANCE * abs(factors[0])
    return f"; each is {factors[0]:.6g} times as large: another unit?" if alike else ""


def _on_threshold(golden: Golden, row: ThresholdRow) -> str:
    return f"{golden.rows[row.row]} with {FEATURES[row.column]} = {row.value!r}"
