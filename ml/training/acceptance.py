"""Compares an exported file with its forest, before it becomes a candidate.

A process of its own opens the file, asks it for one row and for many, also on the thresholds of
the trees, and compares the answers with the forest's. onnxruntime 1.26.0 got Random Forests wrong;
the next such thing, and a file that takes its process down with it, are to stop here.
"""

import io
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession

from ml.contract import FEATURES, REGIMES
from ml.errors import ModelBroken
from ml.inputs import INPUTS, KEPT, OVER, RATIOS, UNDER
from ml.onnx_model import check_contract, load_model, score

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

TOLERANCE: Final = 1e-5
_NAME: Final = "exported model"
_REMEDY: Final = "keep the run's log and report it; another onnxruntime version may compute rightly"
_REPOSITORY: Final = Path(__file__).resolve().parents[2]
_SECONDS: Final = 900
_SINGLE_ROWS: Final = 20
_TIMED_ROWS: Final = 200
_BEYOND_FLOAT32: Final = (1e39, 1.7e308)
_THRESHOLD_ROWS: Final = 1_000
_SIZES: Final = (0.0, 5e-324, 1e-45, 1e-30, 1e-6, 1.0, 1e6, 1e30, 3.4e38)
"""From the least double to the largest float32: scikit-learn answers no larger one."""


def accept_file(model: bytes, forest: "Pipeline", X: NDArray[np.floating[Any]]) -> float:
    """Has a fresh process examine a file.

    Labels must be equal, and probabilities within 1e-5, on every row of X, on rows made of the
    forest's own thresholds, and on very large and tiny ones. Where the forest's two best regimes
    are that close to each other, either may be named: the last bit of a sum decides there.

    Args:
        model: the exported file.
        forest: what was exported.
        X: `[n, 22]` real rows, such as the holdout.

    Returns:
        Milliseconds one row takes, the median of 200.

    Raises:
        ModelBroken: naming what differed.
        subprocess.TimeoutExpired: if the process takes longer than a quarter of an hour.
    """
    rows = probe_rows(forest, X)
    expected = forest_probabilities(forest, rows)
    # Through a pipe, so that a process that is killed leaves no file behind.
    given = io.BytesIO()
    np.savez(given, model=np.frombuffer(model, np.uint8), rows=rows, expected=expected)
    done = subprocess.run(
        [sys.executable, "-m", "ml.training.acceptance"],
        cwd=_REPOSITORY,
        input=given.getvalue(),
        capture_output=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip().splitlines()
        said = (told or ["it says nothing"])[-1][:300]
        problem = f"a fresh process that opens it ends with code {done.returncode}: {said}"
        raise ModelBroken(_NAME, (problem,), _REMEDY)
    found = json.loads(done.stdout)
    if found["problems"]:
        raise ModelBroken(_NAME, tuple(found["problems"]), _REMEDY)
    return float(found["latency_ms"])


def examine(
    model: bytes, rows: NDArray[np.float64], expected: NDArray[np.float64]
) -> dict[str, Any]:
    """Opens a file and asks it rows `[n, 22]` of which the forest's probabilities are `[n, 7]`.

    Returns:
        `problems`, a list of texts, and `latency_ms` of one row.
    """
    try:
        session = load_model(model, _NAME)
        check_contract(session, _NAME)
        problems = _problems(session, rows, expected)
        return {"problems": problems, "latency_ms": None if problems else _latency(session, rows)}
    except ModelBroken as broken:
        return {"problems": list(broken.problems), "latency_ms": None}


def differences(
    expected: NDArray[np.float64], labels: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> list[str]:
    """What a file's answers `[n]` and `[n, 7]` have else than the forest's `[n, 7]`; in words."""
    named = np.take_along_axis(expected, labels[:, None], axis=1)[:, 0]
    absent = (probabilities != 0) & ~expected.any(axis=0)
    found = {
        f"probabilities differ by more than {TOLERANCE:g}": np.abs(expected - probabilities).max(
            axis=1
        )
        > TOLERANCE,
        "labels differ": named < expected.max(axis=1) - TOLERANCE,
        "an unseen regime has a probability": absent.any(axis=1),
        "probabilities do not sum to 1": np.abs(probabilities.sum(axis=1) - 1) > 1e-9,
    }
    return [
        f"{what} in {np.count_nonzero(rows)} of {len(rows)} rows"
        for what, rows in found.items()
        if rows.any()
    ]


def _problems(
    session: InferenceSession, rows: NDArray[np.float64], expected: NDArray[np.float64]
) -> list[str]:
    labels, probabilities = score(session, rows, _NAME)
    problems = differences(expected, labels, probabilities)
    for k in range(min(_SINGLE_ROWS, len(rows))):
        label, shares = score(session, rows[k : k + 1], _NAME)
        if label[0] != labels[k] or not np.array_equal(shares[0], probabilities[k]):
            problems.append(f"row {k} alone has another answer than among {len(rows)} rows")
    sizes = np.array([sign * size for size in _BEYOND_FLOAT32 for sign in (1, -1)])
    # It must answer; scikit-learn refuses such rows, so there is nothing to compare with.
    score(session, np.tile(sizes[:, None], len(FEATURES)), _NAME)
    return problems


def _latency(session: InferenceSession, rows: NDArray[np.float64]) -> float:
    taken = []
    for k in range(_TIMED_ROWS):
        row = rows[k % len(rows)][None, :]
        start = time.perf_counter()
        session.run(None, {session.get_inputs()[0].name: row})
        taken.append(time.perf_counter() - start)
    return 1000 * statistics.median(taken)


def probe_rows(forest: "Pipeline", X: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """The rows to compare on: every given row, rows on the thresholds, very large and tiny ones.

    Returns:
        float64 `[n + 3018, 22]`.
    """
    sizes = np.array([sign * size for size in _SIZES for sign in (1, -1)])
    extreme = np.tile(sizes[:, None], len(FEATURES))
    return np.concatenate([X.astype(np.float64), threshold_rows(forest, X), extreme])


def threshold_rows(forest: "Pipeline", X: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Rows whose inputs lie exactly on split thresholds, and one float64 step either side.

    What no tree splits on is as in rows of X `[n, 22]`.

    Returns:
        float64 `[3000, 22]`. A row has one ratio on a threshold, over a denominator of 1.
    """
    trees = [estimator.tree_ for estimator in forest[-1].estimators_]
    inputs = np.concatenate([tree.feature for tree in trees])
    thresholds = np.concatenate([tree.threshold for tree in trees])
    rng = np.random.default_rng(0)
    rows = X[rng.integers(len(X), size=_THRESHOLD_ROWS)].astype(np.float64)
    which = rng.integers(len(RATIOS), size=_THRESHOLD_ROWS)
    for column in range(len(INPUTS)):
        found = np.unique(thresholds[inputs == column])
        if not len(found):
            continue
        drawn = rng.choice(found, _THRESHOLD_ROWS)
        ratio = column - len(KEPT)
        if ratio < 0:
            rows[:, KEPT[column]] = drawn
        else:
            mine = which == ratio
            rows[mine, OVER[ratio]], rows[mine, UNDER[ratio]] = drawn[mine], 1.0
    return np.concatenate([rows, np.nextafter(rows, np.inf), np.nextafter(rows, -np.inf)])


def forest_probabilities(
    forest: "Pipeline", rows: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """What scikit-learn says `[n, 7]`, with zeros for the regimes the forest has not seen."""
    probabilities = np.zeros((len(rows), len(REGIMES)))
    probabilities[:, forest.classes_] = forest.predict_proba(rows)
    return probabilities


def _main() -> None:
    with np.load(io.BytesIO(sys.stdin.buffer.read())) as given:
        found = examine(given["model"].tobytes(), given["rows"], given["expected"])
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    _main()
