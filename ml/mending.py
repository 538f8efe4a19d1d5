"""Finds the metrics of a model whose own are missing, cut short, or another model's.

That is how a deployment looks that was stopped between its two writes.
"""

import json
from typing import Any

from ml.errors import ModelBroken
from ml.onnx_model import load_model, read_metadata
from ml.registry import METRICS_FILE, PRODUCTION_METRICS, Production, read_metrics_of
from ml.storage import Store

_NUMBERS = ("total_samples", "train_samples", "holdout_samples", "class_counts")
_TEXTS = ("data_fingerprint", "train_start", "train_end", "holdout_start", "holdout_end")


def metrics_of_model(store: Store, model: Production) -> dict[str, Any] | None:
    """Looks where a model's metrics may be kept, newest first, and else into the file itself.

    Args:
        store: the models.
        model: whose metrics.

    Returns:
        The metrics of a candidate or a backup with this digest; or what the file's metadata say of
        it; None if nothing is known.
    """
    for parent, name in (("candidates", METRICS_FILE), ("backups", PRODUCTION_METRICS)):
        for folder in reversed(store.folders(parent)):
            metrics = read_metrics_of(store, f"{parent}/{folder}/{name}", model.sha256)
            if metrics and metrics.get("model_sha256") == model.sha256:
                return metrics
    return _told_by_the_file(model)


def _told_by_the_file(model: Production) -> dict[str, Any] | None:
    try:
        metadata = read_metadata(load_model(model.model))
        told = json.loads(metadata["metrics"])
        numbers = {name: json.loads(metadata[name]) for name in _NUMBERS}
        texts = {name: metadata[name] for name in _TEXTS}
    except (ModelBroken, KeyError, ValueError):
        return None
    unknown = dict.fromkeys(("production_accuracy", "trained_at", "run_id", "decision"))
    return {**told, **numbers, **texts, **unknown, "model_sha256": model.sha256}
