"""Finds the metrics of a model whose own are missing, cut short, or another model's.

That is how a deployment looks that was stopped between its two writes.
"""

from typing import Any

from ml.errors import ModelBroken
from ml.json_files import read_json, read_object
from ml.onnx_model import load_model, read_metadata
from ml.registry.metrics_file import sound
from ml.registry.models import Production, backup_names, candidate_folders, read_metrics_of
from ml.registry.names import METRICS_FILE, PRODUCTION_METRICS
from ml.registry.store import Store

_NUMBERS = ("total_samples", "train_samples", "holdout_samples", "class_counts")
_TEXTS = ("data_fingerprint", "train_start", "train_end", "holdout_start", "holdout_end")


def metrics_of_model(
    store: Store, model: Production, beside: bytes | None = None
) -> dict[str, Any] | None:
    """Looks where a model's metrics may be kept, newest first, and else into the file itself.

    Args:
        store: the models.
        model: whose metrics.
        beside: content of the metrics file that stands beside it, and is not its own. If it speaks
            of the same data, the model was damaged and not replaced, so its own word is not taken.

    Returns:
        The metrics of a candidate or a backup with this digest; or what the file's metadata say of
        it; None if nothing is known.
    """
    places = (
        *(f"{folder}/{METRICS_FILE}" for folder in reversed(candidate_folders(store))),
        *(f"backups/{name}/{PRODUCTION_METRICS}" for name in reversed(backup_names(store))),
    )
    for place in places:
        metrics = read_metrics_of(store, place, model.sha256)
        if metrics and metrics.get("model_sha256") == model.sha256:
            return metrics
    told = _told_by_the_file(model)
    if told and told["data_fingerprint"] == (read_object(beside) or {}).get("data_fingerprint"):
        return None
    return told


def _told_by_the_file(model: Production) -> dict[str, Any] | None:
    try:
        metadata = read_metadata(load_model(model.model))
        told = read_object(metadata["metrics"]) or {}
        numbers = {name: read_json(metadata[name]) for name in _NUMBERS}
        texts = {name: metadata[name] for name in _TEXTS}
    except (ModelBroken, KeyError):
        return None
    metrics = sound({**told, **numbers, **texts, "model_sha256": model.sha256})
    return metrics | dict.fromkeys(("production_accuracy", "trained_at", "run_id", "decision"))
