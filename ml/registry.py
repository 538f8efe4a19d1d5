"""MODELS_DIR: candidates of runs, the production model, and the models it replaced.

Nothing here trains or judges. Production is changed by `deploy_candidate` alone, and only by a file
that is the one that was judged, opens and answers.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ml.errors import ModelBroken
from ml.onnx_model import check_answers
from ml.storage import Folder

PRODUCTION: Final = "regime_detector.onnx"
PRODUCTION_METRICS: Final = "regime_detector_metrics.json"
MODEL_FILE: Final = "model.onnx"
METRICS_FILE: Final = "metrics.json"
REPORT_FILE: Final = "report.txt"
_KEPT: Final = 10
_RUN_AGAIN: Final = "clear the run from train_model on; production is unchanged"


@dataclass(frozen=True)
class Candidate:
    """A run's model in the registry.

    Attributes:
        run_id: the run.
        folder: its folder's name below MODELS_DIR.
        model: content of the ONNX file.
        sha256: hex digest of the model.
        metrics: content of `metrics.json`.
    """

    run_id: str
    folder: str
    model: bytes
    sha256: str
    metrics: dict[str, Any]


@dataclass(frozen=True)
class Production:
    """The model the application reads; `metrics` is None if they are missing or another model's."""

    model: bytes
    sha256: str
    metrics: dict[str, Any] | None


@dataclass(frozen=True)
class Deployment:
    """What a deployment did.

    Attributes:
        run_id: run whose candidate is in production.
        sha256: hex digest of the model in production.
        path: address of the production file.
        deployed_at: since when, ISO 8601 UTC.
        backup: folder of the pair that was replaced; None if there was none.
        changed: False if this model was in production already.
    """

    run_id: str
    sha256: str
    path: str
    deployed_at: str
    backup: str | None
    changed: bool


def write_candidate(models_dir: str | Path, run_id: str, files: Mapping[str, bytes]) -> Candidate:
    """Keeps a run's candidate in place of an earlier attempt of the run; prunes the oldest.

    Args:
        models_dir: MODELS_DIR.
        run_id: any text.
        files: contents by name; `model.onnx` and `metrics.json` must be among them.

    Raises:
        OSError: if the folder cannot be written.
    """
    folder, store = candidate_folder(run_id), _store(models_dir)
    store.write_folder(folder, files)
    _prune(store, "candidates", protected=folder)
    return read_candidate(models_dir, run_id)


def read_candidate(models_dir: str | Path, run_id: str) -> Candidate:
    """Reads a run's candidate, and proves that it is the model its metrics speak of.

    Raises:
        ModelBroken: if it is missing, or is another.
    """
    folder, store = candidate_folder(run_id), _store(models_dir)
    name = f"candidate of run {run_id} in {store.where(folder)}"
    model = store.read(f"{folder}/{MODEL_FILE}")
    metrics = _parsed(store.read(f"{folder}/{METRICS_FILE}"))
    if model is None or metrics is None:
        raise ModelBroken(name, ("its model or its metrics are missing or unreadable",), _RUN_AGAIN)
    sha256 = hashlib.sha256(model).hexdigest()
    _require_same(name, str(metrics.get("model_sha256")), sha256)
    return Candidate(run_id, folder, model, sha256, metrics)


def update_candidate(models_dir: str | Path, run_id: str, files: Mapping[str, bytes]) -> None:
    """Replaces files of a candidate, such as its metrics after the verdict, one after the other."""
    store = _store(models_dir)
    for name, content in files.items():
        store.write(f"{candidate_folder(run_id)}/{name}", content)


def read_production(models_dir: str | Path) -> Production | None:
    """Reads the production model as it is, sound or not; None if there is none."""
    store = _store(models_dir)
    model = store.read(PRODUCTION)
    if model is None:
        return None
    sha256 = hashlib.sha256(model).hexdigest()
    metrics = _parsed(store.read(PRODUCTION_METRICS))
    if metrics is not None and metrics.get("model_sha256", sha256) != sha256:
        metrics = None
    return Production(model, sha256, metrics)


def deploy_candidate(
    models_dir: str | Path,
    run_id: str,
    expected_sha256: str,
    deployed_at: datetime,
    check: Callable[[bytes, str], None] = check_answers,
) -> Deployment:
    """Puts a run's candidate into production; called again, it finishes what is unfinished.

    The former pair is kept before anything changes. The model is replaced first, its metrics after
    it.

    Args:
        models_dir: MODELS_DIR.
        run_id: whose candidate.
        expected_sha256: digest of the model that was judged.
        deployed_at: now, with a time zone.
        check: takes the model and its name, raises if it must not be deployed.

    Raises:
        ModelBroken: if the candidate is missing, is not the one that was judged, or does not
            answer; production is unchanged.
        OSError: if the folder cannot be written.
    """
    store = _store(models_dir)
    candidate = read_candidate(models_dir, run_id)
    name = f"candidate of run {run_id}"
    _require_same(name, expected_sha256, candidate.sha256)
    check(candidate.model, name)
    current = read_production(models_dir)
    changed = current is None or current.sha256 != candidate.sha256
    since = deployed_at.astimezone(UTC).isoformat(timespec="seconds")
    backup = None
    if changed:
        backup = _back_up(store, current, deployed_at)
        store.write(PRODUCTION, candidate.model)
    elif current and current.metrics:
        since = current.metrics.get("deployed_at") or since
    if changed or not (current and current.metrics):
        store.write(PRODUCTION_METRICS, as_json(candidate.metrics | {"deployed_at": since}))
    return Deployment(run_id, candidate.sha256, store.where(PRODUCTION), since, backup, changed)


def candidate_folder(run_id: str) -> str:
    """Names a run's folder: readable, safe, and different for different runs.

    >>> candidate_folder("scheduled__2026-11-22T02:00:00+00:00")
    'candidates/scheduled__2026-11-22T02_00_00_00_00-ba2d8a54'
    """
    readable = re.sub(r"[^\w-]", "_", run_id, flags=re.ASCII)[:80]
    return f"candidates/{readable}-{hashlib.sha256(run_id.encode()).hexdigest()[:8]}"


def as_json(content: Mapping[str, Any]) -> bytes:
    """Metrics as they are kept: readable, and never with NaN, which is no JSON."""
    return (json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode()


def _store(models_dir: str | Path) -> Folder:
    return Folder(Path(models_dir))


def _back_up(store: Folder, current: Production | None, now: datetime) -> str | None:
    if current is None:
        return None
    kept = store.folders("backups")
    if kept and kept[-1].endswith(current.sha256[:8]):
        # An earlier attempt was stopped between its backup and its deployment.
        return f"backups/{kept[-1]}"
    files = {PRODUCTION: current.model}
    metrics = store.read(PRODUCTION_METRICS)
    if metrics is not None:
        files[PRODUCTION_METRICS] = metrics
    folder = f"backups/{now.astimezone(UTC):%Y-%m-%dT%H%M%SZ}_{current.sha256[:8]}"
    store.write_folder(folder, files)
    _prune(store, "backups", protected=folder)
    return folder


def _prune(store: Folder, parent: str, protected: str) -> None:
    others = [name for name in store.folders(parent) if f"{parent}/{name}" != protected]
    for name in others[: 1 - _KEPT]:
        store.remove_folder(f"{parent}/{name}")


def _require_same(name: str, expected: str, found: str) -> None:
    if expected != found:
        problem = f"its SHA-256 is {found[:12]}…, but {expected[:12]}… is expected"
        raise ModelBroken(name, (problem,), _RUN_AGAIN)


def _parsed(content: bytes | None) -> dict[str, Any] | None:
    try:
        metrics = json.loads(content or b"null")
    except ValueError:
        return None
    return metrics if isinstance(metrics, dict) else None
