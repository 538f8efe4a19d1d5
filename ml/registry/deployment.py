"""Changes what is in production: puts a candidate there, or a former model back.

Production is changed here alone, under a lock, and only by a file that is the one that was judged,
opens and answers. The pair it replaces is kept first, then the model is replaced, then its metrics.
At every instant the production file is the old model or the new one; who is stopped in between is
finished by the next change.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ml.errors import ModelBroken, ModelError
from ml.json_files import as_json, read_json, read_object
from ml.onnx_model import check_answers, load_model, read_metadata
from ml.registry.hold import Hold, end_hold, local_user, put_hold, read_hold
from ml.registry.metrics_file import sound
from ml.registry.models import (
    ModelsDir,
    Production,
    backup_names,
    beyond_ten,
    candidate_folders,
    open_store,
    read_candidate,
    read_metrics_of,
    read_production,
    remove_folders,
    require_same,
    write_candidate_files,
)
from ml.registry.names import METRICS_FILE, PRODUCTION, PRODUCTION_METRICS, backup_name
from ml.registry.store import Store

Check = Callable[[bytes, str], None]
"""Takes a model and its name; raises if it must not be deployed."""
Pages = Callable[[Mapping[str, Any]], Mapping[str, bytes]]

log = logging.getLogger(__name__)

_NUMBERS = ("total_samples", "train_samples", "holdout_samples", "class_counts")
_TEXTS = ("data_fingerprint", "train_start", "train_end", "holdout_start", "holdout_end")


@dataclass(frozen=True)
class Deployment:
    """What a deployment or a rollback did.

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


def deploy_candidate(  # noqa: PLR0913
    models_dir: ModelsDir,
    run_id: str,
    expected_sha256: str,
    deployed_at: datetime,
    check: Check = check_answers,
    *,
    approved_at: datetime | None = None,
    pages: Pages = lambda _: {},
) -> Deployment:
    """Puts a run's candidate into production; called again, it finishes what is unfinished.

    Args:
        models_dir: MODELS_DIR.
        run_id: whose candidate.
        expected_sha256: digest of the model that was judged.
        deployed_at: now, with a time zone.
        check: of the model, and again of its written copy.
        approved_at: when a person approved it, with a time zone; None if nobody was asked.
        pages: makes the candidate's pages anew of its metrics, as files by name.

    Raises:
        ModelBroken: if the candidate is missing, is not the one that was judged, or does not
            answer; production is unchanged.
        ModelError: if production was put back by hand and nobody has approved a model since.
        OSError: if the store cannot be written, or another process keeps changing it.
    """
    store = open_store(models_dir)
    with _changing(store, deployed_at) as current:
        candidate = read_candidate(store, run_id)
        name = f"candidate of run {run_id}"
        require_same(name, expected_sha256, candidate.sha256)
        check(candidate.model, name)
        told = candidate.metrics | {"deployed_at": _iso(deployed_at)}
        _require_no_hold(store, approved_at)
        # Ready before production changes; the metrics last, so that a retry writes all of them.
        files = {**pages(told), METRICS_FILE: as_json(told)}
        pair = Production(candidate.model, candidate.sha256, candidate.metrics)
        done = _put(store, current, pair, deployed_at, check)
        end_hold(store, deployed_at, "an approved deployment")
        if candidate.metrics.get("deployed_at") is None:
            write_candidate_files(store, run_id, files)
    return done


def roll_back(  # noqa: PLR0913
    models_dir: ModelsDir,
    now: datetime,
    to: str | None = None,
    check: Check = check_answers,
    *,
    by: str | None = None,
    why: str = "",
) -> Deployment:
    """Puts a former model back into production; the pair it replaces is kept like any other.

    So after deploying A and B, one rollback brings back A, and another one B. Either leaves a hold:
    no run deploys by itself until a person approves a model or lifts it.

    Args:
        models_dir: MODELS_DIR.
        now: with a time zone.
        to: name of a folder in `backups/`; None for the newest that is sound, and not in
            production. Those that are passed over for it are told in the log.
        check: of the model, and again of its written copy.
        by: who does it; None for the user of this process.
        why: their reason, for those who see the hold.

    Raises:
        ModelError: if there is no such backup; names those there are.
        ModelBroken: if the backup's model is damaged, or all are; production is unchanged.
        OSError: as `deploy_candidate`.
    """
    store = open_store(models_dir)
    with _changing(store, now) as current:
        former = _former(store, current, to, check)
        told = {"rolled_back_from": current.sha256 if current else None}
        pair = Production(former.model, former.sha256, (former.metrics or {}) | told)
        if current is None or current.sha256 != former.sha256:
            removed = current.sha256 if current else None
            hold = Hold(_iso(now), by or local_user(), why.strip(), former.sha256, removed)
            # Before production changes: a hold on a model that is not there holds nothing.
            put_hold(store, hold)
        return _put(store, current, pair, now, check)


@contextmanager
def _changing(store: Store, now: datetime) -> Iterator[Production | None]:
    """Locks the store and finishes what a stopped deployment left; gives what is in production."""
    with store.locked():
        current = read_production(store)
        # Without a digest, nothing says that they are this model's.
        if current and (current.metrics or {}).get("model_sha256") is None:
            found = metrics_of_model(store, current, store.read(PRODUCTION_METRICS))
            if found:
                found = {**found, "deployed_at": found.get("deployed_at") or _iso(now)}
                store.write(PRODUCTION_METRICS, as_json(found))
                current = read_production(store)
        yield current


def _put(
    store: Store, current: Production | None, new: Production, now: datetime, check: Check
) -> Deployment:
    changed = current is None or current.sha256 != new.sha256
    known = None if changed or current is None else current.metrics
    told = {"model_sha256": new.sha256, "deployed_at": _iso(now)}
    metrics: dict[str, Any] = known or (new.metrics or {}) | told
    # All that will be written is ready before anything is replaced.
    written = as_json(metrics)
    backup = None
    if changed:
        backup = _back_up(store, current, now)
        store.write(PRODUCTION, new.model, lambda copy: _check_copy(copy, new.sha256, check))
    if not known:
        store.write(PRODUCTION_METRICS, written)
    return Deployment(
        run_id=str(metrics.get("run_id")),
        sha256=new.sha256,
        path=store.where(PRODUCTION),
        deployed_at=str(metrics.get("deployed_at")),
        backup=backup,
        changed=changed,
    )


def _require_no_hold(store: Store, approved_at: datetime | None) -> None:
    hold = read_hold(store)
    if hold and not (approved_at and _iso(approved_at) >= hold.at):
        raise ModelError(
            f"Nothing is deployed: {hold}, and nobody has approved a model since",
            "clear the run from validate_model on and approve it, or run python -m ml release",
        )


def _check_copy(copy: bytes, sha256: str, check: Check) -> None:
    name = "copy that was written to MODELS_DIR"
    require_same(name, sha256, Production.of(copy).sha256)
    check(copy, name)


def _back_up(store: Store, current: Production | None, now: datetime) -> str | None:
    """Keeps the pair in production; an older backup of the same model makes room for it."""
    if current is None:
        return None
    files = {PRODUCTION: current.model}
    metrics = store.read(PRODUCTION_METRICS)
    if metrics is not None:
        files[PRODUCTION_METRICS] = metrics
    names = backup_names(store)
    name = backup_name(now, current.sha256, names[-1] if names else None)
    store.write_folder(f"backups/{name}", files)
    for former in names:
        if former.endswith(current.sha256[:8]):
            store.remove_folder(f"backups/{former}")
    kept = [f"backups/{former}" for former in backup_names(store)]
    remove_folders(store, beyond_ten(kept, protected=f"backups/{name}"))
    return f"backups/{name}"


def _former(store: Store, current: Production | None, to: str | None, check: Check) -> Production:
    """The backup of a name; without one, the newest that is another model, and sound."""
    names = backup_names(store)
    present = current.sha256[:8] if current else None
    others = [name for name in reversed(names) if not (present and name.endswith(present))]
    if to not in names and (to or not others):
        problem = f"There is no backup {to}" if to else "There is no backup to go back to"
        there = f"choose one of: {', '.join(reversed(names))}"
        remedy = there if names else "deploy a second model; the first is kept as a backup then"
        raise ModelError(f"{problem} in {store.where('backups')}", remedy)
    if to:
        return _sound_backup(store, to, check)
    for name in others:
        try:
            former = _sound_backup(store, name, check)
            if (former.metrics or {}).get("model_sha256") is None:
                problem = "nothing is known of it, so it may have been changed since it was live"
                raise ModelBroken(f"backup {name}", (problem,), f"name it, if it is right: {name}")
            return former
        except ModelBroken as error:
            broken = error
            log.warning("%s", error)
    raise broken


def _sound_backup(store: Store, name: str, check: Check) -> Production:
    remedy = "choose another, see status"
    model = store.read(f"backups/{name}/{PRODUCTION}")
    if model is None:
        raise ModelBroken(f"backup {name}", ("its model is missing",), remedy)
    former = Production.of(model)
    if not name.endswith(former.sha256[:8]):
        problem = f"its SHA-256 is {former.sha256[:12]}…, which is not that of its name"
        raise ModelBroken(f"backup {name}", (problem,), remedy)
    check(model, f"backup {name}")
    return Production(model, former.sha256, metrics_of_model(store, former))


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


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
