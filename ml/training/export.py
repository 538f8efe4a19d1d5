"""Writes a forest as the ONNX file the application reads: skl2onnx, and what the contract asks.

scikit-learn casts to float32 and compares with double thresholds. The file does the same: Cast to
float, the ratios of `ml.inputs`, the forest as skl2onnx converts it for float32 inputs, Cast to
double. Given a double input, skl2onnx 1.20 names rows near thresholds wrongly. The operator adds up
in float32, so each row is divided by its sum to make that 1 to the last digit. `ml.onnx_model`
reads such files, and `ml.training.acceptance` compares each with its forest.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline

from ml.contract import FEATURES, INPUT_NAME, LABEL_OUTPUT, PROBABILITY_OUTPUT, REGIMES
from ml.inputs import INPUTS, KEPT, LEAST, MOST, OVER, UNDER

_IR_VERSION = 8  # onnxruntime up to 1.17 reads nothing newer
_ML = "ai.onnx.ml"
_TREES = "TreeEnsembleClassifier"
_OPSETS = {"": 17, _ML: 1}


def export_forest(forest: Pipeline, metadata: Mapping[str, str] | None = None) -> bytes:
    """Exports what `fit_forest` returned; the same forest and metadata give the same bytes.

    Returns:
        The file: input `input` double `[N, 22]`, outputs `output` int64 `[N]` and `probabilities`
        double `[N, 7]`, where a regime the forest has not seen has probability 0.
    """
    model = helper.make_model(
        _graph(forest[-1]),
        producer_name="prometheus-ml-pipeline",
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid(*opset) for opset in sorted(_OPSETS.items())],
    )
    onnx.checker.check_model(model, full_check=True)
    return _serialized(model, metadata or {})


def with_metadata(model: bytes, metadata: Mapping[str, str]) -> bytes:
    """The same file with other metadata."""
    return _serialized(onnx.load_from_string(model), metadata)


def _serialized(model: onnx.ModelProto, metadata: Mapping[str, str]) -> bytes:
    helper.set_model_props(model, dict(sorted(metadata.items())))
    return bytes(model.SerializeToString(deterministic=True))


def _graph(forest: RandomForestClassifier) -> onnx.GraphProto:
    tensor = helper.make_tensor_value_info
    return helper.make_graph(
        [*_input_nodes(), _convert_trees(forest), *_output_nodes()],
        "regime_detector",
        [tensor(INPUT_NAME, TensorProto.DOUBLE, ["N", len(FEATURES)])],
        [
            tensor(LABEL_OUTPUT, TensorProto.INT64, ["N"]),
            tensor(PROBABILITY_OUTPUT, TensorProto.DOUBLE, ["N", len(REGIMES)]),
        ],
        [
            _constant("kept", np.array(KEPT)),
            _constant("over", np.array(OVER)),
            _constant("under", np.array(UNDER)),
            _constant("least", LEAST),
            _constant("most", MOST),
            _constant("columns", np.array([1])),
        ],
    )


def _input_nodes() -> list[onnx.NodeProto]:
    """`ml.inputs.forest_inputs` as nodes, one operation each."""
    node = helper.make_node
    return [
        node("Cast", [INPUT_NAME], ["features"], to=TensorProto.FLOAT),
        node("Gather", ["features", "kept"], ["kept_features"], axis=1),
        node("Gather", ["features", "over"], ["numerators"], axis=1),
        node("Gather", ["features", "under"], ["given_denominators"], axis=1),
        node("Greater", ["given_denominators", "least"], ["usable"]),
        node("Where", ["usable", "given_denominators", "least"], ["denominators"]),
        node("Div", ["numerators", "denominators"], ["quotients"]),
        node("Abs", ["quotients"], ["sizes"]),
        node("Less", ["sizes", "most"], ["finite"]),
        node("Where", ["finite", "quotients", "most"], ["ratios"]),
        node("Concat", ["kept_features", "ratios"], ["inputs"], axis=1),
    ]


def _output_nodes() -> list[onnx.NodeProto]:
    """Scores as probabilities that sum to 1 to the last digit of a double."""
    node = helper.make_node
    return [
        node("Cast", ["scores"], ["shares"], to=TensorProto.DOUBLE),
        node("ReduceSum", ["shares", "columns"], ["total"], keepdims=1),
        node("Div", ["shares", "total"], [PROBABILITY_OUTPUT]),
    ]


def _constant(name: str, value: Any) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value), name)


def _convert_trees(forest: RandomForestClassifier) -> onnx.NodeProto:
    """The forest as skl2onnx converts it, one node, with a score for each regime.

    skl2onnx 1.20 loses the direction of missing values (its issue 1253), which is put back, knows
    only the forest's own classes, and writes what onnxruntime does not read: shares of 0 and
    `nodes_hitrates`.
    """
    with warnings.catch_warnings():
        # skl2onnx calls scikit-learn in a way that is going away.
        warnings.simplefilter("ignore", FutureWarning)
        converted = to_onnx(
            forest,
            initial_types=[("inputs", FloatTensorType([None, len(INPUTS)]))],
            target_opset=_OPSETS,
        )
    # Without options: to look for their names, skl2onnx would compute all that a forest can tell.
    (node,) = (node for node in converted.graph.node if node.op_type == _TREES)
    given = {part.name: helper.get_attribute_value(part) for part in node.attribute}
    del given["nodes_hitrates"]
    trees = [estimator.tree_ for estimator in forest.estimators_]
    first_nodes = np.cumsum([0, *(tree.node_count for tree in trees)])
    nodes = first_nodes[given["nodes_treeids"]] + given["nodes_nodeids"]
    to_left = np.concatenate([tree.missing_go_to_left for tree in trees])[nodes]
    given["nodes_missing_value_tracks_true"] = to_left.astype(int).tolist()
    leaves = {name: np.asarray(given[name]) for name in given if name.startswith("class_")}
    if len(forest.classes_) == 2:
        # Only the second class's share is written, which onnxruntime 1.26.0 reads wrongly.
        ends = first_nodes[leaves["class_treeids"]] + leaves["class_nodeids"]
        first = np.concatenate([tree.value[:, 0, 0] for tree in trees])[ends] / len(trees)
        shares = np.concatenate([first, leaves["class_weights"]])
        leaves = {name: np.tile(values, 2) for name, values in leaves.items()}
        leaves |= {"class_ids": np.repeat([0, 1], len(first)), "class_weights": shares}
    leaves["class_ids"] = forest.classes_[leaves["class_ids"]]
    kept = np.flatnonzero(leaves["class_weights"])
    given |= {name: values[kept].tolist() for name, values in leaves.items()}
    given["classlabels_int64s"] = range(len(REGIMES))
    outputs = [LABEL_OUTPUT, "scores"]
    return helper.make_node(_TREES, ["inputs"], outputs, domain=_ML, **given)
