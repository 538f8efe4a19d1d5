"""Reads the ONNX file as the application does: opens it, checks the contract, asks it for regimes.

Any file is taken, also one this package has not written; every way it can be wrong is reported as
`ModelBroken`.
"""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession, NodeArg, SessionOptions
from onnxruntime.capi import onnxruntime_pybind11_state as ort

from ml.contract import FEATURES, INPUT_NAME, LABEL_OUTPUT, PROBABILITY_OUTPUT, REGIMES
from ml.errors import ModelBroken
from ml.json_files import read_json
from ml.threads import in_threads

_ROWS_AT_ONCE = 512
_EXPORT_AGAIN = "train and export it again with this pipeline"
_EXPECTED: dict[str, tuple[str, int | None]] = {
    INPUT_NAME: ("tensor(double)", len(FEATURES)),
    LABEL_OUTPUT: ("tensor(int64)", None),
    PROBABILITY_OUTPUT: ("tensor(double)", len(REGIMES)),
}
# onnxruntime's exceptions have no base class of their own.
_ORT_ERRORS = (
    ort.EngineError,
    ort.EPFail,
    ort.Fail,
    ort.InvalidArgument,
    ort.InvalidGraph,
    ort.InvalidProtobuf,
    ort.NoModel,
    ort.NotImplemented,
    ort.RuntimeException,
    RuntimeError,
    ValueError,
)


def load_model(model: bytes, name: str = "model file") -> InferenceSession:
    """Opens a model for one thread: as fast for one row as more, and it leaves the cores alone.

    Args:
        model: content of the file.
        name: what an error calls it.

    Raises:
        ModelBroken: if onnxruntime cannot open it.
    """
    options = SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = InferenceSession(model, options, providers=["CPUExecutionProvider"])
        # A damaged file may open, and fail where its metadata are read.
        read_metadata(session)
        return session
    except _ORT_ERRORS as error:
        problem = f"onnxruntime cannot open its {len(model)} bytes: {_first_line(error)}"
        raise ModelBroken(name, (problem,), _EXPORT_AGAIN) from error


def check_contract(session: InferenceSession, name: str = "model file") -> None:
    """Compares a model's inputs, outputs and named features and regimes with the contract.

    Raises:
        ModelBroken: naming everything that differs.
    """
    inputs, outputs = session.get_inputs(), session.get_outputs()
    given = {value.name: value for value in (*inputs, *outputs)}
    problems = [
        f"{kind} are {[value.name for value in values]} instead of {expected}"
        for kind, values, expected in (
            ("inputs", inputs, [INPUT_NAME]),
            ("outputs", outputs, [LABEL_OUTPUT, PROBABILITY_OUTPUT]),
        )
        if sorted(value.name for value in values) != sorted(expected)
    ]
    for value_name, (kind, width) in _EXPECTED.items():
        if value_name in given:
            problems += _signature_problems(given[value_name], kind, width)
    metadata = read_metadata(session)
    for key, names in (("features", FEATURES), ("labels", REGIMES)):
        if key in metadata and metadata[key] != json.dumps(names):
            problems.append(f"its metadata say the {key} are {metadata[key]}")
    if problems:
        raise ModelBroken(name, tuple(problems), _EXPORT_AGAIN)


def score(
    session: InferenceSession, X: NDArray[np.floating[Any]], name: str = "model file"
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Asks a model for the regime of each row.

    Args:
        session: an open model.
        X: `[n, 22]`; fed as float64 in batches, as the application feeds it.
        name: what an error calls the model.

    Returns:
        Regime indices int64 `[n]` and probabilities float64 `[n, 7]`.

    Raises:
        ModelBroken: if it does not answer, or its answer is no regime or no finite probability.
    """
    labels = np.empty(len(X), np.int64)
    probabilities = np.empty((len(X), len(REGIMES)))

    def ask(batch: slice) -> None:
        try:
            answer = session.run(
                [LABEL_OUTPUT, PROBABILITY_OUTPUT], {INPUT_NAME: X[batch].astype(np.float64)}
            )
        except _ORT_ERRORS as error:
            problem = f"it does not answer: {_first_line(error)}"
            raise ModelBroken(name, (problem,), _EXPORT_AGAIN) from error
        _require_shapes([part.shape for part in answer], len(labels[batch]), name)
        labels[batch], probabilities[batch] = answer

    batches = [slice(k, k + _ROWS_AT_ONCE) for k in range(0, len(X), _ROWS_AT_ONCE)]
    # A call uses one thread, so that its answer is the same on any machine; two calls use two.
    in_threads(ask, batches)
    if not (np.isin(labels, range(len(REGIMES))).all() and np.isfinite(probabilities).all()):
        problem = "it answers what is no regime or no probability"
        raise ModelBroken(name, (problem,), _EXPORT_AGAIN)
    return labels, probabilities


def read_metadata(session: InferenceSession) -> dict[str, str]:
    """The file's `metadata_props`."""
    return dict(session.get_modelmeta().custom_metadata_map)


def profile_in(model: bytes) -> Any:
    """The profile of the training rows that a file carries; None if it has none, or is no model."""
    try:
        return read_json(read_metadata(load_model(model)).get("profile"))
    except ModelBroken:
        return None


def check_answers(model: bytes, name: str = "model file") -> None:
    """Opens a model file, checks the contract and asks it for one row: what deploying takes.

    Raises:
        ModelBroken: if any of it fails.
    """
    session = load_model(model, name)
    check_contract(session, name)
    score(session, np.zeros((1, len(FEATURES))), name)


def _require_shapes(found: list[tuple[int, ...]], rows: int, name: str) -> None:
    expected = [(rows,), (rows, len(REGIMES))]
    if found != expected:
        problem = f"asked for {rows} rows, it answers with the shapes {found} instead of {expected}"
        raise ModelBroken(name, (problem,), _EXPORT_AGAIN)


def _signature_problems(value: NodeArg, kind: str, width: int | None) -> list[str]:
    problems = [] if value.type == kind else [f"{value.name} is {value.type} instead of {kind}"]
    expected = ["N"] if width is None else ["N", width]
    # An open dimension is a name or None; only the number of columns is fixed.
    fixed = [dimension if isinstance(dimension, int) else "N" for dimension in value.shape]
    if fixed != expected:
        problems.append(f"{value.name} has the shape {value.shape} instead of {expected}")
    return problems


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
