"""MODELS_DIR: the candidates of runs and the production model, as files with their digests.

What each run came to is kept in one small file after its candidate is pruned.

Nothing here trains or judges; production is only read. `ml.registry.deployment` changes it.
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ml.errors import ModelBroken
from ml.json_files import read_json, read_object
from ml.registry.metrics_file import problems, read_metrics, sound
from ml.registry.names import (
    CANDIDATE_FILES,
    METRICS_FILE,
    MODEL_FILE,
    PRODUCTION,
    PRODUCTION_METRICS,
    candidate_folder,
    is_backup,
    is_candidate,
)
from ml.registry.object_store import ObjectStore
from ml.registry.store import Folder, Store

_KEPT: Final = 10
ModelsDir = str | Path | Store
"""MODELS_DIR: a folder, a URL that fsspec knows, or an open store."""
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
    metrics: dict[str, Any] | None = None

    @classmethod
    def of(cls, model: bytes) -> "Production":
        """A model by its content alone."""
        return cls(model, hashlib.sha256(model).hexdigest())


def write_candidate(models_dir: ModelsDir, run_id: str, files: Mapping[str, bytes]) -> Candidate:
    """Keeps a run's candidate in place of an earlier attempt of the run; prunes the oldest.

    Among the files must be `model.onnx` and `metrics.json`. What a pruned run came to stays in the
    history.

    Raises:
        OSError: if the folder cannot be written.
    """
    folder, store = candidate_folder(run_id), open_store(models_dir)
    with store.locked():
        store.write_folder(folder, files)
        kept = {name: metrics_in(store, name) for name in candidate_folders(store)}
        own = [name for name, metrics in kept.items() if _is_own(store, name, metrics)]
        old = beyond_ten(own, protected=folder)
        remember(store, [kept[name] or {} for name in old])
        remove_folders(store, old)
    return read_candidate(store, run_id)


def read_candidate(models_dir: ModelsDir, run_id: str) -> Candidate:
    """Reads a run's candidate, and proves that it is the model its metrics speak of.

    Raises:
        ModelBroken: if it is missing, or is another.
    """
    folder, store = candidate_folder(run_id), open_store(models_dir)
    name = f"candidate of run {run_id} in {store.where(folder)}"
    model = store.read(f"{folder}/{MODEL_FILE}")
    metrics = read_object(store.read(f"{folder}/{METRICS_FILE}"))
    if model is None or metrics is None:
        raise ModelBroken(name, ("its model or its metrics are missing or unreadable",), _RUN_AGAIN)
    wrong = problems(metrics)
    if wrong:
        problem = f"{METRICS_FILE} lacks, or has as something else: {', '.join(wrong)}"
        raise ModelBroken(name, (problem,), _RUN_AGAIN)
    sha256 = hashlib.sha256(model).hexdigest()
    require_same(name, metrics["model_sha256"], sha256)
    return Candidate(run_id, folder, model, sha256, metrics)


def update_candidate(models_dir: ModelsDir, run_id: str, files: Mapping[str, bytes]) -> None:
    """Replaces files of a candidate, such as its metrics after the verdict, one after the other."""
    store = open_store(models_dir)
    with store.locked():
        write_candidate_files(store, run_id, files)


def write_candidate_files(store: Store, run_id: str, files: Mapping[str, bytes]) -> None:
    """Replaces files of a candidate in a store that is locked already."""
    for name, content in files.items():
        store.write(f"{candidate_folder(run_id)}/{name}", content)


def read_production(models_dir: ModelsDir) -> Production | None:
    """Reads the production model as it is, sound or not; None if there is none."""
    store = open_store(models_dir)
    model = store.read(PRODUCTION)
    if model is None:
        return None
    found = Production.of(model)
    return replace(found, metrics=read_metrics_of(store, PRODUCTION_METRICS, found.sha256))


def metrics_in(store: Store, folder: str) -> dict[str, Any] | None:
    """Reads what is known of a run's candidate; None if nothing readable is."""
    return read_metrics(store.read(f"{folder}/{METRICS_FILE}"))


def read_metrics_of(store: Store, name: str, sha256: str) -> dict[str, Any] | None:
    """Reads metrics that speak of the model with this digest; None if they are another's."""
    metrics = read_metrics(store.read(name))
    if metrics is None or metrics.get("model_sha256", sha256) != sha256:
        return None
    return metrics


def open_store(models_dir: ModelsDir) -> Store:
    """The store behind MODELS_DIR: a local folder, an object store's URL, or a store already."""
    if isinstance(models_dir, str) and "://" in models_dir:
        return ObjectStore.from_url(models_dir)
    return Folder(Path(models_dir)) if isinstance(models_dir, str | Path) else models_dir


def backup_names(store: Store) -> tuple[str, ...]:
    """Names of our folders in `backups/`, oldest first: each begins with when it was made."""
    return tuple(sorted(filter(is_backup, store.folders("backups"))))


def candidate_folders(store: Store) -> tuple[str, ...]:
    """Folders in `candidates/` with a name that we give, as `candidates/x`, oldest first."""
    return tuple(f"candidates/{name}" for name in store.folders("candidates") if is_candidate(name))


def beyond_ten(folders: Sequence[str], protected: str) -> list[str]:
    """All but the newest ten of some folders, oldest first; never the protected one."""
    return [name for name in folders if name != protected][: 1 - _KEPT]


def remove_folders(store: Store, names: Iterable[str]) -> None:
    """Removes folders, one after the other."""
    for name in names:
        store.remove_folder(name)


def require_same(name: str, expected: str, found: str) -> None:
    """Refuses a model whose digest is not the expected one.

    Raises:
        ModelBroken: if so.
    """
    if expected != found:
        problem = f"its SHA-256 is {found[:12]}…, but {expected[:12]}… is expected"
        raise ModelBroken(name, (problem,), _RUN_AGAIN)


def _is_own(store: Store, folder: str, metrics: Mapping[str, Any] | None) -> bool:
    """Whether a folder of `candidates/` is a run's, and no person's copy of one or other folder."""
    if metrics is None:
        # Of a run that was killed between two files.
        return CANDIDATE_FILES.issuperset(store.files(folder))
    return candidate_folder(str(metrics.get("run_id"))) == folder


log = logging.getLogger(__name__)

HISTORY: Final = "history.json"
DAMAGED: Final = "history.damaged.json"
_NUMBERS: Final = (
    "run_id",
    "model_sha256",
    "trained_at",
    "deployed_at",
    "test_accuracy",
    "production_accuracy",
    "total_samples",
    "class_counts",
)
_REMEMBERED: Final = 1000


def remember(store: Store, runs: Iterable[Mapping[str, Any]]) -> None:
    """Adds runs, oldest first, to the history, each once; forgets the oldest beyond a thousand.

    They are contents of `metrics.json`; one that names no run is left out. The store is locked.
    """
    found = {key_of_run(run): _record(run) for run in runs if run.get("run_id")}
    if found:
        known = {key_of_run(run): run for run in read_history(store, keep_damaged=True)}
        records = list((known | found).values())[-_REMEMBERED:]
        store.write(HISTORY, json.dumps(records, ensure_ascii=False).encode())


def read_history(store: Store, *, keep_damaged: bool = False) -> tuple[Mapping[str, Any], ...]:
    """The remembered runs, oldest first, with the few keys of `metrics.json` that say what came.

    Args:
        store: the models.
        keep_damaged: whether to put a file aside that cannot be read, before it is written anew.
    """
    content = store.read(HISTORY)
    records = read_json(content or b"[]")
    if isinstance(records, list) and all(isinstance(record, dict) for record in records):
        return tuple(map(sound, records))
    log.warning("%s cannot be read; it begins anew", store.where(HISTORY))
    if keep_damaged and content:
        store.write(DAMAGED, content)
    return ()


def _record(metrics: Mapping[str, Any]) -> dict[str, Any]:
    record = {name: metrics.get(name) for name in _NUMBERS}
    decision = metrics.get("decision")
    kept = ("deploy", "reasons", "thresholds")
    told = {key: decision[key] for key in kept if key in decision} if decision else None
    return record | {"decision": told}


def key_of_run(run: Mapping[str, Any]) -> tuple[str, str]:
    """Run and model; a run that is repeated may make another model."""
    return str(run.get("run_id")), str(run.get("model_sha256"))
