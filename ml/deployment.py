"""Puts a candidate into production, after keeping the pair it replaces.

Production is changed here alone, and only by a file that is the one that was judged, opens and
answers. At every instant the production file is the old model or the new one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ml.onnx_model import check_answers
from ml.registry import (
    PRODUCTION,
    PRODUCTION_METRICS,
    Production,
    as_json,
    open_store,
    prune,
    read_candidate,
    read_production,
    require_same,
)
from ml.storage import Folder


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
    store = open_store(models_dir)
    candidate = read_candidate(models_dir, run_id)
    name = f"candidate of run {run_id}"
    require_same(name, expected_sha256, candidate.sha256)
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
    prune(store, "backups", protected=folder)
    return folder
