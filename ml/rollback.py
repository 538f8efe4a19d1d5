"""Makes a backup production again; the pair it replaces becomes a backup itself.

Stands in for `ml.deployment.roll_back` until that arrives, with the same arguments and result.
"""

from datetime import UTC, datetime
from pathlib import Path

from ml.deployment import Deployment
from ml.errors import ModelError
from ml.onnx_model import check_answers
from ml.registry import PRODUCTION, PRODUCTION_METRICS, open_store, prune, read_production
from ml.storage import Folder


def roll_back(models_dir: str | Path, now: datetime, to: str | None = None) -> Deployment:
    """Puts a former pair back into production, if its model opens and answers.

    Args:
        models_dir: MODELS_DIR.
        now: with a time zone.
        to: name of a folder in `backups/`; None for the newest.

    Raises:
        ModelError: if there is no such backup, or it must not be used; production is unchanged.
        OSError: if the folder cannot be written.
    """
    store = open_store(models_dir)
    name = _chosen(store, to)
    former = read_production(store.root / "backups" / name)
    if former is None or former.metrics is None:
        raise ModelError(
            f"The backup {name} has no model with metrics of its own", "choose another"
        )
    check_answers(former.model, f"backup {name}")
    current = read_production(models_dir)
    changed = current is None or current.sha256 != former.sha256
    backup = None
    if changed:
        if current is not None:
            backup = f"backups/{now.astimezone(UTC):%Y-%m-%dT%H%M%SZ}_{current.sha256[:8]}"
            metrics = store.read(PRODUCTION_METRICS)
            kept = {PRODUCTION: current.model, PRODUCTION_METRICS: metrics}
            store.write_folder(backup, {file: content for file, content in kept.items() if content})
        store.write(PRODUCTION, former.model)
    if changed or current is None or current.metrics is None:
        store.write(PRODUCTION_METRICS, store.read(f"backups/{name}/{PRODUCTION_METRICS}") or b"")
    if backup:
        prune(store, "backups", protected=backup)
    run_id, since = (str(former.metrics.get(key)) for key in ("run_id", "deployed_at"))
    return Deployment(run_id, former.sha256, store.where(PRODUCTION), since, backup, changed)


def _chosen(store: Folder, to: str | None) -> str:
    kept = store.folders("backups")
    if not kept:
        raise ModelError("There is no backup to roll back to", "deploy a second model first")
    if to is not None and to not in kept:
        raise ModelError(f"There is no backup {to}", f"choose one of {', '.join(reversed(kept))}")
    return to or kept[-1]
