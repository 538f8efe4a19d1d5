"""What each run came to, kept in one small file after its candidate is pruned."""

import json
import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ml.json_files import read_json
from ml.registry.metrics_file import sound
from ml.registry.store import Store

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
_KEPT: Final = 1000


def remember(store: Store, runs: Iterable[Mapping[str, Any]]) -> None:
    """Adds runs, oldest first, to the history, each once; forgets the oldest beyond a thousand.

    They are contents of `metrics.json`; one that names no run is left out. The store is locked.
    """
    found = {key_of_run(run): _record(run) for run in runs if run.get("run_id")}
    if found:
        known = {key_of_run(run): run for run in read_history(store, keep_damaged=True)}
        records = list((known | found).values())[-_KEPT:]
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
