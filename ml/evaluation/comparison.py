"""Scores candidate and production on the same holdout rows, through their ONNX files.

The promotion rule itself is in `ml.evaluation.promotion`.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession

from ml.contract import REGIMES
from ml.data.samples import Samples
from ml.data.split import MIN_HOLDOUT_SAMPLES
from ml.errors import ModelBroken
from ml.evaluation.evidence import Evidence, Pairs
from ml.evaluation.statistics import bootstrap_interval, prediction_interval
from ml.onnx_model import check_contract, load_model, read_metadata, score

_NAME = "production model"


@dataclass(frozen=True)
class Comparison:
    """Candidate against production on the holdout.

    Attributes:
        evidence: the counts that the promotion rule judges.
        compared: which holdout rows both were compared on `[n]`; none if there was nothing to
            compare with.
        candidate_right: which holdout rows the candidate predicted correctly `[n]`.
        production_right: which ones production did `[n]`; None if it was not scored.
        difference_interval: 95% interval of the difference of both accuracies; None likewise.
    """

    evidence: Evidence
    compared: NDArray[np.bool_]
    candidate_right: NDArray[np.bool_]
    production_right: NDArray[np.bool_] | None = None
    difference_interval: list[float] | None = None

    def to_dict(self) -> dict[str, Any] | None:
        """The comparison as `metrics.json` has it; None if there was nothing to compare with."""
        pairs = self.evidence.pairs
        if pairs is None:
            return None
        return {
            **asdict(pairs),
            "left_out_rows": len(self.compared) - pairs.rows,
            "candidate_correct": pairs.candidate_correct,
            "production_correct": pairs.production_correct,
            "candidate_accuracy": pairs.candidate_accuracy,
            "production_accuracy": pairs.production_accuracy,
            "p_value": pairs.p_value,
            "difference": pairs.candidate_accuracy - pairs.production_accuracy,
            "difference_interval": self.difference_interval,
        }


@dataclass(frozen=True)
class _Unseen:
    """Which holdout rows production was not trained on, and what to say about it."""

    rows: NDArray[np.bool_]
    notes: tuple[str, ...] = ()


def compare_with_production(
    holdout: Samples, candidate: InferenceSession, production: bytes | None, majority: str
) -> Comparison:
    """Counts what the promotion rule asks for.

    Args:
        holdout: the samples kept for the verdict.
        candidate: the open model under judgement.
        production: content of the production file; None if there is none. If it is broken that is
            evidence too, not an error.
        majority: the most frequent regime of the training samples.

    Raises:
        ModelBroken: if the candidate does not answer.
    """
    labels, probabilities = score(candidate, holdout.features, "candidate")
    right = labels == holdout.labels
    counts = holdout.class_counts()
    interval = prediction_interval(right, holdout.timestamps)
    counted = partial(
        Evidence,
        len(holdout),
        int(right.sum()),
        counts[majority],
        holdout_majority_correct=max(counts.values()),
        coverage=holdout.coverage(),
        interval=(interval[0], interval[1]) if interval else None,
    )
    nothing = np.zeros(len(holdout), bool)
    if production is None:
        return Comparison(counted(), nothing, right)
    try:
        session = load_model(production, _NAME)
    except ModelBroken as problem:
        return Comparison(counted(production_problem=str(problem)), nothing, right)
    try:
        check_contract(session, _NAME)
    except ModelBroken as problem:
        doubt = (
            "production is a sound model that answers in another way than ours, perhaps another "
            f"product's ({'; '.join(problem.problems)}): see that MODELS_DIR is the right place"
        )
        odd = counted(production_problem=str(problem), doubts=(doubt,))
        return Comparison(odd, nothing, right)
    try:
        named, of_production = score(session, holdout.features, _NAME)
    except ModelBroken as problem:
        return Comparison(counted(production_problem=str(problem)), nothing, right)
    production_right = named == holdout.labels
    unseen = _unseen(holdout, read_metadata(session))
    rows = unseen.rows
    lost = [
        regime
        for regime, now, before in zip(
            REGIMES, _predictable(probabilities), _predictable(of_production), strict=True
        )
        if before and not now
    ]
    notes = (*_lost(lost), *unseen.notes)
    return Comparison(
        counted(pairs=_paired(right[rows], production_right[rows]), notes=notes),
        rows,
        right,
        production_right,
        bootstrap_interval(
            right[rows].astype(float) - production_right[rows], holdout.timestamps[rows]
        ),
    )


def _predictable(probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether a regime has a probability in any row `[7]`; without training samples it has none."""
    return np.asarray(probabilities.max(axis=0) > 0)


def _lost(regimes: list[str]) -> tuple[str, ...]:
    if not regimes:
        return ()
    return (f"production predicts {', '.join(regimes)}, which this model never does",)


def _paired(candidate: NDArray[np.bool_], production: NDArray[np.bool_]) -> Pairs:
    return Pairs(
        rows=len(candidate),
        both_right=int((candidate & production).sum()),
        only_candidate_right=int((candidate & ~production).sum()),
        only_production_right=int((production & ~candidate).sum()),
    )


def _unseen(holdout: Samples, metadata: dict[str, str]) -> _Unseen:
    everything = np.ones(len(holdout), bool)
    try:
        start, end = (_seconds(metadata[key]) for key in ("train_start", "train_end"))
    except (KeyError, ValueError):
        note = (
            "the production file does not say what it was trained on, so rows it may have seen "
            "could not leave the comparison"
        )
        return _Unseen(everything, (note,))
    seen = (holdout.timestamps >= start) & (holdout.timestamps <= end)
    count = int(np.count_nonzero(seen))
    if not count:
        return _Unseen(everything)
    period = f"production was trained on {metadata['train_start']} to {metadata['train_end']}"
    if len(holdout) - count < MIN_HOLDOUT_SAMPLES:
        note = (
            f"{period}, where {count} of the {len(holdout)} holdout rows lie: too few would be "
            "left, so they could not leave the comparison, which favours production"
        )
        return _Unseen(everything, (note,))
    note = f"{period}: the {count} holdout rows of that time left the comparison of both models"
    return _Unseen(~seen, (note,))


def _seconds(text: str) -> np.datetime64:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return np.datetime64(moment, "s")
