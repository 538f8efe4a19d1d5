"""The trees of a model file as arrays: what a node splits on, where, and what its leaves say."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from ml.contract import REGIMES
from ml.errors import ModelBroken

_OPERATOR: Final = "TreeEnsembleClassifier"


@dataclass(frozen=True, eq=False)
class Trees:
    """A forest's nodes, tree after tree, each below the one it hangs on.

    Attributes:
        roots: first node of each tree `[t]`.
        inputs: column of `ml.inputs.INPUTS` that a node splits on `[n]`; -1 of a leaf.
        thresholds: float32 `[n]`; a row goes left if its input is not above.
        left: the node where it goes then `[n]`, right: else; a leaf leads to itself.
        shares: what a leaf adds to the probability of each regime `[n, 7]`; zeros elsewhere.
    """

    roots: NDArray[np.intp]
    inputs: NDArray[np.intp]
    thresholds: NDArray[np.float32]
    left: NDArray[np.intp]
    right: NDArray[np.intp]
    shares: NDArray[np.float64]

    def paths(self, given: NDArray[np.float32]) -> list[NDArray[np.intp]]:
        """The nodes a row passes in each tree.

        Args:
            given: what the forest is given of each row `[m, k]`.

        Returns:
            Node indices `[m, t]` at depth 0, 1 and so on; where a tree has ended, its leaf again.
        """
        at = np.broadcast_to(self.roots, (len(given), len(self.roots)))
        passed, rows = [at], np.arange(len(given))[:, None]
        while (self.inputs[at] >= 0).any():
            goes_left = given[rows, self.inputs[at]] <= self.thresholds[at]
            at = np.where(goes_left, self.left[at], self.right[at])
            passed.append(at)
        return passed


def trees_of(model: bytes) -> Trees:
    """Reads the trees of a file that this pipeline wrote.

    Raises:
        ModelBroken: if it has none, or they are of another kind.
    """
    nodes = [node for node in onnx.load_from_string(model).graph.node if node.op_type == _OPERATOR]
    given = _attributes(nodes[0]) if len(nodes) == 1 else {}
    try:
        return _trees(given)
    except (KeyError, ValueError, IndexError) as error:
        problem = f"it has no forest as this pipeline writes one ({error})"
        raise ModelBroken("model file", (problem,), "explain a model of this pipeline") from error


def _attributes(node: onnx.NodeProto) -> dict[str, NDArray[Any]]:
    return {part.name: np.asarray(onnx.helper.get_attribute_value(part)) for part in node.attribute}


def _trees(given: dict[str, NDArray[Any]]) -> Trees:
    tree, number = given["nodes_treeids"], given["nodes_nodeids"]
    if not np.isin(given["nodes_modes"], [b"BRANCH_LEQ", b"LEAF"]).all():
        raise ValueError("its nodes compare otherwise")
    starts = np.flatnonzero(np.r_[True, tree[1:] != tree[:-1]])
    first = dict(zip(tree[starts].tolist(), starts.tolist(), strict=True))
    offset = np.repeat(starts, np.diff(np.r_[starts, len(tree)]))
    if not np.array_equal(offset + number, np.arange(len(tree))):
        raise ValueError("its nodes are in another order")
    leaf = given["nodes_modes"] == b"LEAF"
    itself = np.arange(len(tree))
    shares = np.zeros((len(tree), len(REGIMES)))
    ends = np.array([first[k] for k in given["class_treeids"].tolist()]) + given["class_nodeids"]
    np.add.at(shares, (ends, given["class_ids"]), given["class_weights"].astype(np.float64))
    return Trees(
        roots=starts,
        inputs=np.where(leaf, -1, given["nodes_featureids"]),
        thresholds=given["nodes_values"].astype(np.float32),
        left=np.where(leaf, itself, offset + given["nodes_truenodeids"]),
        right=np.where(leaf, itself, offset + given["nodes_falsenodeids"]),
        shares=shares,
    )
