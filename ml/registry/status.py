"""Looks at MODELS_DIR as it is: every model with its numbers, and whether its digest agrees."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tabulate import tabulate

from ml.registry.hold import Hold, read_hold
from ml.registry.metrics_file import read_metrics
from ml.registry.models import ModelsDir, backup_names, candidate_folders, metrics_in, open_store
from ml.registry.names import METRICS_FILE, MODEL_FILE, PRODUCTION, PRODUCTION_METRICS
from ml.registry.store import Store
from ml.words import age, number, percent, verdict_of, when


@dataclass(frozen=True)
class KeptModel:
    """A model in MODELS_DIR.

    Attributes:
        name: `production`, or the folder's name, such as `candidates/x`.
        sha256: hex digest of the file; None if there is no file.
        metrics: what is kept about it; empty if nothing readable is.
        problem: why it is not the model its metrics speak of; None if it is.
    """

    name: str
    sha256: str | None
    metrics: Mapping[str, Any]
    problem: str | None


@dataclass(frozen=True)
class Status:
    """Everything in MODELS_DIR, backups and candidates newest first.

    Attributes:
        where: its address.
        production: None if there is none.
        hold: what keeps runs from replacing it; None if nothing does.
        backups: the models that production has been.
        candidates: the models of runs.
    """

    where: str
    production: KeptModel | None
    hold: Hold | None
    backups: tuple[KeptModel, ...]
    candidates: tuple[KeptModel, ...]

    @property
    def models(self) -> tuple[KeptModel, ...]:
        """All of them, production first."""
        return (*((self.production,) if self.production else ()), *self.backups, *self.candidates)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, one line a model."""
        return tuple(f"{model.name}: {model.problem}" for model in self.models if model.problem)


def read_status(models_dir: ModelsDir) -> Status:
    """Reads what is known of every model, and its digest.

    Raises:
        OSError: if the folder cannot be read.
    """
    store = open_store(models_dir)
    candidates = tuple(
        _read(store, folder, f"{folder}/{MODEL_FILE}", METRICS_FILE)
        for folder in reversed(candidate_folders(store))
    )
    production, backups = look_at_production(store), look_at_backups(store)
    return Status(store.where(), production, read_hold(store), backups, candidates)


def look_at_production(store: Store) -> KeptModel | None:
    """Looks at the model in production; None if there is none."""
    production = _read(store, "production", PRODUCTION, PRODUCTION_METRICS)
    return production if production.sha256 or production.metrics else None


def look_at_backups(store: Store) -> tuple[KeptModel, ...]:
    """Looks at the models that production has been, newest first."""
    return tuple(
        _read(store, f"backups/{name}", f"backups/{name}/{PRODUCTION}", PRODUCTION_METRICS)
        for name in reversed(backup_names(store))
    )


def metrics_of_runs(store: Store, most: int) -> tuple[tuple[Mapping[str, Any], ...], int]:
    """Reads what is known of the newest candidates, `most` of them, and leaves the models alone.

    Returns:
        Their metrics, newest first, and how many older ones there are.
    """
    folders = candidate_folders(store)[::-1]
    newest = tuple(metrics_in(store, folder) or {} for folder in folders[:most])
    return newest, max(0, len(folders) - most)


def status_text(status: Status, now: datetime) -> str:
    """Renders a status for people: production first, then tables, then what is wrong."""
    lines = _production_lines(status.production, now)
    if status.hold:
        lines.append(f"{'held':<14}{status.hold}; lift it with python -m ml release")
    parts = [f"Models in {status.where}", "\n".join(lines)]
    if status.candidates:
        rows = [_row(model, now) for model in status.candidates]
        parts.append(f"Candidates, newest first\n{tabulate(rows, 'keys', 'simple')}")
    if status.backups:
        kept = [
            {"folder": model.name.rpartition("/")[2], **_row(model, now)}
            for model in status.backups
        ]
        parts.append(f"Backups, newest first\n{tabulate(kept, 'keys', 'simple')}")
    if status.problems:
        parts.append("\n".join(("NOT SOUND", *(f"  {line}" for line in status.problems))))
    return "\n\n".join(parts)


def _read(store: Store, name: str, model_file: str, metrics_file: str) -> KeptModel:
    folder = model_file.rpartition("/")[0]
    metrics = read_metrics(store.read(f"{folder}/{metrics_file}" if folder else metrics_file)) or {}
    sha256 = store.digest(model_file)
    return KeptModel(name, sha256, metrics, _problem(sha256, metrics))


def _problem(sha256: str | None, metrics: Mapping[str, Any]) -> str | None:
    expected = metrics.get("model_sha256")
    if sha256 is None:
        return "there are metrics, but no model"
    if not metrics:
        return "there is a model, but no readable metrics, so nothing says what it should be"
    if expected is None:
        return "its metrics do not say which model they speak of"
    if expected != sha256:
        return f"the file's SHA-256 is {sha256[:12]}…, but its metrics speak of {expected[:12]}…"
    return None


def _production_lines(production: KeptModel | None, now: datetime) -> list[str]:
    if production is None:
        return ["Production: none yet"]
    told = production.metrics
    deployed, newest = told.get("deployed_at"), told.get("holdout_end")
    before = (
        "none" if told.get("production_accuracy") is None else percent(told["production_accuracy"])
    )
    lines = {
        "Production": f"SHA-256 {production.sha256 or 'none'}",
        "digest": production.problem or "agrees with its metrics",
        "accuracy": f"{percent(told.get('test_accuracy'))} on "
        f"{number(told.get('holdout_samples'))} holdout rows, the model before it: {before}",
        "run": number(told.get("run_id")),
        "deployed": f"{when(deployed)}, {age(deployed, now)}",
        "trained on": f"{number(told.get('train_samples'))} rows, "
        f"{when(told.get('train_start'))} to {when(told.get('train_end'))}",
        "newest label": f"{when(newest)}, {age(newest, now)}",
    }
    return [f"{name:<14}{value}" for name, value in lines.items()]


def _row(model: KeptModel, now: datetime) -> dict[str, str]:
    told = model.metrics
    return {
        "run": number(told.get("run_id")),
        "trained": age(told.get("trained_at"), now),
        "accuracy": percent(told.get("test_accuracy")),
        "verdict": verdict_of(told).title,
        "SHA-256": (model.sha256 or "none")[:12],
        "sound": "NO" if model.problem else "yes",
    }
