"""Why a model answers as it does: what each input adds, and which labelled rows are most alike."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.contract import REGIMES
from ml.data.samples import Samples, moment_of, utc
from ml.errors import ModelError
from ml.evaluation.contributions import contributions, node_means
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
from ml.trees import trees_of

_REFERENCE_ROWS: Final = 5_000
_NEAREST: Final = 5


@dataclass(frozen=True)
class Contribution:
    """What an input adds to the probability of each regime.

    Attributes:
        name: one of `ml.inputs.INPUTS`.
        value: of this row.
        added: to the probability of each of `REGIMES`.
    """

    name: str
    value: float
    added: list[float]


@dataclass(frozen=True)
class Neighbour:
    """A labelled row that is like the one explained.

    Attributes:
        symbol: of the row.
        timestamp: ISO 8601 UTC.
        regime: its label.
        distance: in the standardised inputs of the forest, Euclidean.
    """

    symbol: str
    timestamp: str
    regime: str
    distance: float


@dataclass(frozen=True)
class Explanation:
    """A model's answer and what it rests on.

    Attributes:
        regime: the answer.
        probabilities: of each of `REGIMES`.
        start: what is answered before anything is known of the row: the mean over the reference
            rows. The file's float32 rounding, below 1e-6, is in it, so that `start` and all
            that is added sum to `probabilities`.
        contributions: of each input, the largest effect on the answer first.
        nearest: labelled rows, the most alike first.
    """

    regime: str
    probabilities: list[float]
    start: list[float]
    contributions: list[Contribution]
    nearest: list[Neighbour]

    def to_dict(self) -> dict[str, Any]:
        """As text and page take it."""
        return asdict(self)


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

    def explain(self, features: Sequence[float], but: tuple[str, str] = ("", "")) -> Explanation:
        """Explains a row.

        Args:
            features: the 22, in the order of `FEATURES`.
            but: symbol and ISO 8601 timestamp of a labelled row that is no neighbour: itself.
        """
        row = np.array([features], np.float64)
        labels, probabilities = score(self.session, row)
        given = forest_inputs(row)
        added = contributions(self.trees, self.means, given)[0]
        answer = int(labels[0])
        order = np.argsort(-np.abs(added[:, answer]), kind="stable").tolist()
        return Explanation(
            REGIMES[answer],
            probabilities[0].tolist(),
            (probabilities[0] - added.sum(axis=0)).tolist(),
            [Contribution(INPUTS[k], float(given[0, k]), added[k].tolist()) for k in order],
            self._nearest(given[0], but),
        )

    def _nearest(self, given: NDArray[np.float32], but: tuple[str, str]) -> list[Neighbour]:
        squares = np.square(self.points - given / self.scale).sum(axis=1)
        closest = np.argsort(squares, kind="stable")[: _NEAREST + 1]
        found = [
            Neighbour(
                str(self.labelled.symbols[row]),
                utc(self.labelled.timestamps[row]).isoformat(),
                REGIMES[self.labelled.labels[row]],
                float(np.sqrt(squares[row])),
            )
            for row in closest
        ]
        return [one for one in found if (one.symbol, one.timestamp) != but][:_NEAREST]


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
        **Explainer(first.model, labelled).explain(features, but=key).to_dict(),
        "others": {one.name: _answer(one, features) for one in others},
    }


def _answer(other: Explained, features: Sequence[float]) -> dict[str, Any]:
    labels, probabilities = score(load_model(other.model), np.array([features]), other.name)
    return {"regime": REGIMES[labels[0]], "probabilities": probabilities[0].tolist()}
