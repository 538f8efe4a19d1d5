"""Why a model answers as it does: what each input adds, and which labelled rows are most alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.contract import REGIMES
from ml.data.samples import Samples, moment_of, utc
from ml.errors import ModelError
from ml.inputs import INPUTS, forest_inputs
from ml.onnx_model import load_model, score
from ml.registry.models import (
    ModelsDir,
    candidate_folders,
    metrics_in,
    open_store,
    read_candidate,
    read_production,
)
from ml.trees import Trees, trees_of

_REFERENCE_ROWS: Final = 5_000
_NEAREST: Final = 5


class Explainer:
    """Explains rows by one model; making one reads its trees, each row is quick then."""

    def __init__(self, model: bytes, labelled: Samples) -> None:
        """Prepares a model.

        Args:
            model: content of a file that this pipeline wrote.
            labelled: rows to explain by, at least 1; of more than 5,000 so many are drawn for the
                means.

        Raises:
            ModelBroken: if it has no forest.
        """
        self.session = load_model(model)
        self.trees = trees_of(model)
        self.labelled = labelled
        given = forest_inputs(labelled.features)
        reference = forest_inputs(labelled.at_most(_REFERENCE_ROWS).features)
        self.means = node_means(self.trees, reference)
        scale = given.std(axis=0, dtype=np.float64)
        self.scale = np.where(scale > 0, scale, 1).astype(np.float32)
        self.points = given / self.scale

    def explain(self, features: Sequence[float], but: tuple[str, str] = ("", "")) -> dict[str, Any]:
        """Explains a row.

        Args:
            features: the 22, in the order of `FEATURES`.
            but: symbol and ISO 8601 timestamp of a labelled row that is no neighbour: itself.

        Returns:
            `regime` and `probabilities` answered; `start`: what is answered before anything is
            known of the row, the mean over the reference rows (the file's float32 rounding, below
            1e-6, is in it, so that `start` and all that is added sum to the probabilities);
            `contributions` of each input: `name`, `value`, and what is `added` to the probability
            of each of `REGIMES`, the largest effect on the answer first; `nearest` labelled rows:
            `symbol`, `timestamp`, `regime`, and Euclidean `distance` in the standardised inputs.
        """
        row = np.array([features], np.float64)
        labels, probabilities = score(self.session, row)
        given = forest_inputs(row)
        added = contributions(self.trees, self.means, given)[0]
        answer = int(labels[0])
        order = np.argsort(-np.abs(added[:, answer]), kind="stable").tolist()
        return {
            "regime": REGIMES[answer],
            "probabilities": probabilities[0].tolist(),
            "start": (probabilities[0] - added.sum(axis=0)).tolist(),
            "contributions": [
                {"name": INPUTS[k], "value": float(given[0, k]), "added": added[k].tolist()}
                for k in order
            ],
            "nearest": self._nearest(given[0], but),
        }

    def _nearest(self, given: NDArray[np.float32], but: tuple[str, str]) -> list[dict[str, Any]]:
        squares = np.square(self.points - given / self.scale).sum(axis=1)
        closest = np.argsort(squares, kind="stable")[: _NEAREST + 1]
        found = [
            {
                "symbol": str(self.labelled.symbols[row]),
                "timestamp": utc(self.labelled.timestamps[row]).isoformat(),
                "regime": REGIMES[self.labelled.labels[row]],
                "distance": float(np.sqrt(squares[row])),
            }
            for row in closest
        ]
        return [one for one in found if (one["symbol"], one["timestamp"]) != but][:_NEAREST]


@dataclass(frozen=True)
class Explained:
    """A model that can be explained.

    Attributes:
        name: `production`, or `the candidate of run x`.
        model: content of the file.
        snapshot: the frozen table it was made of; empty if that is not known.
    """

    name: str
    model: bytes
    snapshot: str


def models_to_explain(models_dir: ModelsDir, run_id: str | None = None) -> list[Explained]:
    """Finds production and the candidate to compare it with; without the one, the other alone.

    Args:
        models_dir: MODELS_DIR.
        run_id: whose candidate; None: the one trained last.

    Raises:
        ModelError: if there is neither.
        ModelBroken: if the candidate is missing or damaged.
    """
    production = read_production(models_dir)
    store = open_store(models_dir)
    runs = [metrics_in(store, folder) or {} for folder in candidate_folders(store)]
    runs = [run for run in runs if run.get("run_id") and run.get("trained_at")]
    if run_id is None and runs:
        run_id = str(max(runs, key=lambda run: str(run["trained_at"]))["run_id"])
    found = []
    if production:
        snapshot = (production.metrics or {}).get("snapshot_table", "")
        found.append(Explained("production", production.model, snapshot))
    if run_id:
        other = read_candidate(models_dir, run_id)
        snapshot = other.metrics["snapshot_table"]
        if not production or other.sha256 != production.sha256:
            found.append(Explained(f"the candidate of run {run_id}", other.model, snapshot))
    if not found:
        problem = f"There is no model in {store.where()}"
        raise ModelError(problem, "see --models-dir, or train one")
    return found


def explain_row(
    models: Sequence[Explained],
    labelled: Samples,
    key: tuple[str, str],
    features: Sequence[float],
) -> dict[str, Any]:
    """Explains a row by the first of the models, and has the others answer it.

    Args:
        models: at least one.
        labelled: rows to explain by.
        key: symbol and ISO 8601 timestamp of the row.
        features: the 22.

    Returns:
        What `ml.report.explanation` renders.
    """
    first, *others = models
    same = (labelled.symbols == key[0]) & (labelled.timestamps == moment_of(key[1]))
    label = labelled.labels[same]
    return {
        "symbol": key[0],
        "timestamp": key[1],
        "label": REGIMES[label[0]] if len(label) else None,
        "model": first.name,
        **Explainer(first.model, labelled).explain(features, but=key),
        "others": {one.name: _answer(one, features) for one in others},
    }


def _answer(other: Explained, features: Sequence[float]) -> dict[str, Any]:
    labels, probabilities = score(load_model(other.model), np.array([features]), other.name)
    return {"regime": REGIMES[labels[0]], "probabilities": probabilities[0].tolist()}


_NO_ROW: Final = 1e-9
"""Weight of a leaf that no reference row reaches, so that every node has a mean."""


def node_means(trees: Trees, reference: NDArray[np.float32]) -> NDArray[np.float64]:
    """What the leaves below each node add on average, weighted by the reference rows `[m, k]`.

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
    """What each input adds to the probability of each regime along the paths of rows `[m, k]`.

    Saabas, Interpreting random forests (2014), as in `treeinterpreter`: each split takes a row from
    the mean answer of the reference rows that reach the node to that of those that go on with it,
    and the step is booked to the input split on. The steps sum to the probability; they do not say
    what another value would have led to, and inputs high up in the trees have more of them.
    `docs/decisions/027` says why not Shapley values.

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
