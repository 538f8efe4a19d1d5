"""What each input adds to an answer, along the trees' paths.

Saabas, Interpreting random forests (2014), as in `treeinterpreter`: each split takes a row from
the mean answer of the reference rows that reach the node to that of those that go on with it, and
the step is booked to the input split on. The steps sum to the probability; they do not say what
another value would have led to, and inputs high up in the trees have more of them.
`docs/decisions/027` says why not Shapley values.
"""

from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ml.contract import REGIMES
from ml.trees import Trees

_NO_ROW: Final = 1e-9
"""Weight of a leaf that no reference row reaches, so that every node has a mean."""


def node_means(trees: Trees, reference: NDArray[np.float32]) -> NDArray[np.float64]:
    """What the leaves below each node add on average, weighted by the rows that reach them.

    Args:
        trees: of a model.
        reference: what the forest is given of the rows that weigh `[m, k]`.

    Returns:
        `[n, 7]`; of a leaf its own shares.
    """
    ends = trees.paths(reference)[-1]
    weight = _NO_ROW + np.bincount(ends.ravel(), minlength=len(trees.inputs)).astype(float)
    means = trees.shares.copy()
    for parents in reversed(_levels(trees)):
        left, right = trees.left[parents], trees.right[parents]
        weight[parents] = weight[left] + weight[right]
        part = (weight[left] / weight[parents])[:, np.newaxis]
        means[parents] = part * means[left] + (1 - part) * means[right]
    return means


def contributions(
    trees: Trees, means: NDArray[np.float64], given: NDArray[np.float32]
) -> NDArray[np.float64]:
    """What each input adds to the probability of each regime along the paths of rows.

    Args:
        trees: of a model.
        means: of each node `[n, 7]`.
        given: what the forest is given of each row `[m, k]`.

    Returns:
        `[m, k, 7]`; with the sum of the roots' means it sums to what the leaves say.
    """
    passed = trees.paths(given)
    added = np.zeros((*given.shape, len(REGIMES)))
    rows = np.broadcast_to(np.arange(len(given))[:, np.newaxis], passed[0].shape)
    for at, after in pairwise(passed):
        # A tree that has ended adds zeros, to whichever input.
        np.add.at(added, (rows, trees.inputs[at]), means[after] - means[at])
    return added


def _levels(trees: Trees) -> list[NDArray[np.intp]]:
    """The nodes that split, by depth."""
    levels, at = [], trees.roots
    while len(parents := at[trees.inputs[at] >= 0]):
        levels.append(parents)
        at = np.concatenate([trees.left[parents], trees.right[parents]])
    return levels
