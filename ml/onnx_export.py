"""Writes a forest as the ONNX file the application reads, straight from the trees' arrays.

scikit-learn casts to float32 and compares with double thresholds. The graph does the same: Cast to
float, the ratios of `ml.inputs`, a `TreeEnsembleClassifier` with each threshold rounded *down* to
float32 (for a float32 x, `x <= t` and `x <= floor32(t)` are the same), Cast to double. The operator
adds up in float32, so each row is divided by its sum to make that 1 to the last digit. The graph is
built here because skl2onnx loses the direction of missing values, the columns of absent regimes and
the order of bytes; skl2onnx is what the tests compare with. `ml.onnx_model` reads such files.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.tree._tree import Tree

from ml.contract import FEATURES, INPUT_NAME, LABEL_OUTPUT, PROBABILITY_OUTPUT, REGIMES
from ml.inputs import KEPT, LEAST, MOST, OVER, UNDER

_IR_VERSION = 8  # onnxruntime up to 1.17 reads nothing newer
_OPSETS = {"": 17, "ai.onnx.ml": 1}
_LEAF = -1


def export_forest(forest: Pipeline, metadata: Mapping[str, str] | None = None) -> bytes:
    """Exports a forest; the same forest and metadata give the same bytes.

    Args:
        forest: what `ml.training.fit_forest` returned.
        metadata: kept in the file's `metadata_props`.

    Returns:
        The file: input `input` double `[N, 22]`, outputs `output` int64 `[N]` and `probabilities`
        double `[N, 7]`, where a regime the forest has not seen has probability 0.
    """
    model = helper.make_model(
        _graph(_tree_attributes(forest[-1])),
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


def _graph(trees: dict[str, Any]) -> onnx.GraphProto:
    tensor = helper.make_tensor_value_info
    return helper.make_graph(
        [*_input_nodes(), *_forest_nodes(trees)],
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


def _forest_nodes(trees: dict[str, Any]) -> list[onnx.NodeProto]:
    node = helper.make_node
    outputs = [LABEL_OUTPUT, "scores"]
    return [
        node("TreeEnsembleClassifier", ["inputs"], outputs, domain="ai.onnx.ml", **trees),
        node("Cast", ["scores"], ["shares"], to=TensorProto.DOUBLE),
        node("ReduceSum", ["shares", "columns"], ["total"], keepdims=1),
        node("Div", ["shares", "total"], [PROBABILITY_OUTPUT]),
    ]


def _constant(name: str, value: Any) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value), name)


def float32_not_above(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """The greatest float32 that is not above each value.

    >>> float(np.float32(0.1)), float(float32_not_above(np.array([0.1]))[0])
    (0.10000000149011612, 0.09999999403953552)
    """
    nearest = values.astype(np.float32)
    lower = np.nextafter(nearest, np.float32(-np.inf))
    return np.where(nearest > values, lower, nearest).astype(np.float32)


def _tree_attributes(forest: RandomForestClassifier) -> dict[str, Any]:
    trees = [estimator.tree_ for estimator in forest.estimators_]
    parts = [
        {**_nodes(tree, index), **_leaves(tree, index, len(trees), forest.classes_)}
        for index, tree in enumerate(trees)
    ]
    # tolist, because onnx.helper takes Python numbers and names the modes as text.
    joined = {name: np.concatenate([part[name] for part in parts]).tolist() for name in parts[0]}
    return joined | {"classlabels_int64s": list(range(len(REGIMES))), "post_transform": "NONE"}


def _nodes(tree: Tree, index: int) -> dict[str, NDArray[Any]]:
    leaf = tree.children_left == _LEAF
    return {
        "nodes_treeids": np.full(tree.node_count, index),
        "nodes_nodeids": np.arange(tree.node_count),
        "nodes_modes": np.where(leaf, "LEAF", "BRANCH_LEQ"),
        "nodes_featureids": np.where(leaf, 0, tree.feature),
        "nodes_values": np.where(leaf, 0, float32_not_above(tree.threshold)),
        "nodes_truenodeids": np.where(leaf, 0, tree.children_left),
        "nodes_falsenodeids": np.where(leaf, 0, tree.children_right),
        "nodes_missing_value_tracks_true": np.where(leaf, 0, tree.missing_go_to_left),
    }


def _leaves(
    tree: Tree, index: int, trees: int, classes: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    """A leaf's share of each regime; shares of 0 are left out, which makes the file smaller."""
    ids = np.flatnonzero(tree.children_left == _LEAF)
    shares = tree.value[ids, 0, :] / trees
    rows, columns = np.nonzero(shares)
    return {
        "class_treeids": np.full(len(rows), index),
        "class_nodeids": ids[rows],
        "class_ids": classes[columns],
        "class_weights": shares[rows, columns].astype(np.float32),
    }
