"""Whether MODELS_DIR is where production has been: a mistyped one looks like a first deployment."""

from collections.abc import Iterator

from ml.history import read_history
from ml.registry import (
    METRICS_FILE,
    PRODUCTION,
    PRODUCTION_METRICS,
    ModelsDir,
    backup_names,
    open_store,
    parsed,
)
from ml.storage import Store


def odd_place(models_dir: ModelsDir, former_place: str | None = None) -> Iterator[str]:
    """Says what is odd about the place of production, so that a person decides.

    Args:
        models_dir: MODELS_DIR.
        former_place: address of the production file of the last deployment; None if not known.
    """
    store = open_store(models_dir)
    place = store.where(PRODUCTION)
    if former_place and former_place != place:
        yield f"MODELS_DIR has changed: it names {place}, the last deployment wrote {former_place}"
    traces = [] if store.read(PRODUCTION) is not None else list(_traces(store))
    if traces:
        yield (
            f"there is no production model at {place}, but {' and '.join(traces)} in the same "
            "place: it was moved or deleted, which a first deployment would hide"
        )


def _traces(store: Store) -> Iterator[str]:
    """What a place has in which a model was in production once."""
    backups = backup_names(store)
    if backups:
        yield f"{len(backups)} backups"
    if store.read(PRODUCTION_METRICS) is not None:
        yield PRODUCTION_METRICS
    files = (store.read(f"candidates/{run}/{METRICS_FILE}") for run in store.folders("candidates"))
    runs = (*read_history(store), *(parsed(file) or {} for file in files))
    if any(run.get("deployed_at") for run in runs):
        yield "runs that were deployed"
