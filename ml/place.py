"""Whether MODELS_DIR is where production has been: a mistyped one looks like a first deployment."""

from collections.abc import Iterator

from ml.history import read_history
from ml.names import PRODUCTION, PRODUCTION_METRICS
from ml.registry import ModelsDir, backup_names, candidate_folders, metrics_in, open_store
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
    traces = [] if store.digest(PRODUCTION) else list(_traces(store))
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
    candidates = (metrics_in(store, folder) or {} for folder in candidate_folders(store))
    runs = (*read_history(store), *candidates)
    if any(run.get("deployed_at") for run in runs):
        yield "runs that were deployed"
