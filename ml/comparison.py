"""Scores candidate and production on the same holdout rows, through their ONNX files.

The promotion rule itself is in `ml.promotion`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession

from ml.errors import ModelBroken
from ml.evaluation import count_correct, count_of
from ml.evidence import Evidence
from ml.onnx_model import check_contract, load_model, read_metadata, score
from ml.samples import Samples
from ml.split import MIN_HOLDOUT_SAMPLES

_NAME = "production model"


@dataclass(frozen=True)
class _Unseen:
    """Which holdout rows production was not trained on, and what to say about it."""

    rows: NDArray[np.bool_]
    notes: tuple[str, ...] = ()


def compare_with_production(
    holdout: Samples, candidate: InferenceSession, production: bytes | None, majority: str
) -> Evidence:
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
    named, _ = score(candidate, holdout.features, "candidate")
    right = named == holdout.labels
    correct = count_correct(holdout.labels, named)
    majority_correct = count_of(holdout.labels, majority)
    counted = partial(Evidence, len(holdout), correct, majority_correct)
    if production is None:
        return counted()
    try:
        session = load_model(production, _NAME)
        check_contract(session, _NAME)
        production_named, _ = score(session, holdout.features, _NAME)
    except ModelBroken as problem:
        return counted(production_problem=str(problem))
    unseen = _unseen(holdout, read_metadata(session))
    return counted(
        compared_samples=int(np.count_nonzero(unseen.rows)),
        candidate_correct=int(np.count_nonzero(right[unseen.rows])),
        production_correct=count_correct(
            holdout.labels[unseen.rows], production_named[unseen.rows]
        ),
        notes=unseen.notes,
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
