"""Repeats a past training: what it was made of, and whether the bytes that came out agree."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any

from ml.errors import ModelError
from ml.evaluation.promotion import PromotionThresholds
from ml.registry.models import ModelsDir, read_candidate
from ml.registry.status import KeptModel, read_status
from ml.training.forest import ORDER_OF_WORK, TrainingOptions
from ml.versions import differing_versions


@dataclass(frozen=True)
class Recipe:
    """What a training is made of.

    Attributes:
        snapshot: the frozen table, as `database.table`.
        options: how to grow the forest.
        holdout_fraction: newest share kept for the verdict.
        embargo: gap between training and holdout.
        fingerprint: of the table's content; None if any content will do.
        sha256: of the model that should come out; None if any will do.
        min_accuracy: floor of the rule, which the file's metadata speak of.
    """

    snapshot: str
    options: TrainingOptions = field(default_factory=TrainingOptions)
    holdout_fraction: float = 0.2
    embargo: timedelta = timedelta(hours=24)
    fingerprint: str | None = None
    sha256: str | None = None
    min_accuracy: float = PromotionThresholds.min_accuracy


def recipe_of_run(models_dir: ModelsDir, run_id: str) -> Recipe:
    """Takes the recipe of a past run out of its candidate's `metrics.json`.

    Raises:
        ModelBroken: if the candidate is missing or damaged.
        ModelError: if its metrics do not say how it was made.
    """
    metrics = read_candidate(models_dir, run_id).metrics
    known = {option.name for option in fields(TrainingOptions)}
    try:
        settings = metrics["settings"]
        return Recipe(
            metrics["snapshot_table"],
            TrainingOptions(**{name: settings[name] for name in settings if name in known}),
            settings["holdout_fraction"],
            timedelta(hours=settings["embargo_hours"]),
            metrics["data_fingerprint"],
            metrics["model_sha256"],
            settings.get("min_accuracy", PromotionThresholds.min_accuracy),
        )
    except KeyError as missing:
        raise ModelError(
            f"metrics.json of run {run_id} does not have {missing}",
            "give --snapshot and the settings yourself, and --expect with the digest",
        ) from missing


def agreements(
    models_dir: ModelsDir, metrics: Mapping[str, Any], expected: str | None
) -> list[str]:
    """Compares a new model's bytes with an expected digest, and with every model of its recipe."""
    sha256 = metrics["model_sha256"]
    earlier = _earlier_models(models_dir, metrics)
    lines = [likeness(metrics, model.name, model.metrics) for model in earlier]
    if expected and expected not in {model.sha256 for model in earlier}:
        lines.insert(0, likeness(metrics, "expected", {"model_sha256": expected}))
    if not lines:
        lines.append(f"Nothing to compare the bytes with: SHA-256 {sha256}")
    return lines


def likeness(metrics: Mapping[str, Any], name: str, other: Mapping[str, Any]) -> str:
    """Says whether the bytes agree with another model's.

    >>> likeness({"model_sha256": "ab"}, "run x", {"model_sha256": "ab"})
    'Same bytes as run x: SHA-256 ab'
    >>> new, old = {"model_sha256": "ab", "forest_sha256": "f"}, {"model_sha256": "cd"}
    >>> likeness(new, "run x", old | {"forest_sha256": "f"})
    'Same forest as run x, OTHER METADATA: SHA-256 ab instead of cd (no version is known to differ)'
    """
    sha256, expected = metrics["model_sha256"], other["model_sha256"]
    if sha256 == expected:
        return f"Same bytes as {name}: SHA-256 {sha256}"
    differing = differing_versions(other, metrics)
    commits = other.get("git_commit"), metrics.get("git_commit")
    if all(commits) and commits[0] != commits[1]:
        differing["git commit"] = " -> ".join(map(str, commits))
    told = ", ".join(f"{package} {change}" for package, change in differing.items())
    why = f"versions differ: {told}" if told else "no version is known to differ"
    forest = metrics.get("forest_sha256")
    same_forest = forest is not None and forest == other.get("forest_sha256")
    what = f"Same forest as {name}, OTHER METADATA" if same_forest else f"OTHER BYTES than {name}"
    return f"{what}: SHA-256 {sha256} instead of {expected} ({why})"


def _earlier_models(models_dir: ModelsDir, metrics: Mapping[str, Any]) -> list[KeptModel]:
    """The models that were made of the same data with the same settings."""
    return [
        model
        for model in read_status(models_dir).models
        if model.problem is None and _made_of(model.metrics) == _made_of(metrics)
    ]


def _made_of(metrics: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    settings = metrics.get("settings") or {}
    decisive = {name: settings[name] for name in settings if name not in ORDER_OF_WORK}
    return metrics.get("data_fingerprint"), decisive
