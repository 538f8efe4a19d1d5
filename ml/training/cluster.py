"""Grows forests on a Dask cluster: the same trees bit for bit, on other machines."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import joblib

log = logging.getLogger(__name__)

_SECONDS: Final = 10


class ClusterUnavailable(ConnectionError):
    """The cluster does not answer, has no workers, or has lost too many of them."""

    def __init__(self, scheduler: str, problem: str) -> None:
        super().__init__(scheduler, problem)
        self.scheduler, self.problem = scheduler, problem

    def __str__(self) -> str:
        return (
            f"The Dask cluster at {self.scheduler} (TRAIN_DASK_SCHEDULER) {self.problem}. What to "
            "do: see that its scheduler and workers run and can be reached, or empty the Variable "
            "to train on this machine."
        )


@contextmanager
def spread(scheduler: str | None) -> Iterator[None]:
    """Inside, the trees of every forest that is fitted grow on the workers of a cluster.

    Args:
        scheduler: address of its Dask scheduler, such as `tcp://host:8786`; None: on this machine.

    Raises:
        ClusterUnavailable: if it cannot be reached, has no worker, or lost its data with a worker.
        ImportError: if Dask is not installed.
    """
    if not scheduler:
        yield
        return
    try:
        from distributed import Client  # noqa: PLC0415 - needed by those who have a cluster
        from distributed.client import FutureCancelledError  # noqa: PLC0415
        from distributed.scheduler import KilledWorker  # noqa: PLC0415
    except ImportError as error:
        message = "TRAIN_DASK_SCHEDULER is set, so install dask[distributed] where this task runs"
        raise ImportError(message) from error
    try:
        client: Any = Client(  # type: ignore[no-untyped-call]
            scheduler, timeout=_SECONDS, set_as_default=False
        )
    except (OSError, ValueError) as error:
        raise ClusterUnavailable(scheduler, f"cannot be reached: {error}") from error
    with client:
        workers = client.ncores()
        if not workers:
            raise ClusterUnavailable(scheduler, "has no worker")
        log.info("Growing on %d workers of %s", len(workers), scheduler)
        try:
            with joblib.parallel_config(backend="dask", client=client):
                yield
        except (FutureCancelledError, KilledWorker) as error:
            raise ClusterUnavailable(scheduler, f"lost a worker: {error}") from error
