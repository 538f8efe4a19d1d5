"""A forest grown on a Dask cluster, of which a worker dies: the same forest bit for bit."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import socket
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from ml.data.samples import Samples
from ml.inputs import forest_inputs
from ml.training.candidate import build_candidate
from ml.training.cluster import ClusterUnavailable, spread
from ml.training.export import export_forest
from ml.training.forest import TrainingOptions, fit_forest
from ml.training.metrics import Provenance
from tests.services.server import REPOSITORY

distributed = pytest.importorskip("distributed", reason="install requirements-dev.txt for dask")
pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(300)]

OPTIONS = TrainingOptions(trees=400, max_depth=8)


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    features = np.exp(rng.normal(size=(4_000, 22))).astype(np.float32)
    return features, (features[:, 5] > 1).astype(np.uint8) + 2 * (features[:, 9] > 1)


@pytest.fixture(scope="module")
def alone(rows: tuple[np.ndarray, np.ndarray]) -> bytes:
    return _bytes(fit_forest(*rows, OPTIONS))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers as processes: its address, and the workers."""
    with closing(socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    port = address.rpartition(":")[2]
    with (tmp_path / "dask.log").open("wb") as log:
        started = [
            subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments, "--no-dashboard"],
                env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            for arguments in (
                ("scheduler", "--host", "127.0.0.1", "--port", port),
                *[("worker", address, "--nthreads", "1", "--no-nanny")] * 2,
            )
        ]
    try:
        with distributed.Client(address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield address, started[1:]
    finally:
        for process in started:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class AtWork:
    """What a worker has done and has in hands: batches of trees, bytes of the largest array."""

    pid: int
    done: int
    running: int
    largest: int


def _at_work(dask_worker: Any) -> tuple[int, int, int, int]:
    sent = [getattr(value, "nbytes", 0) for value in dask_worker.data.values()]
    state = dask_worker.state
    return os.getpid(), state.executed_count, state.executing_count, max(sent, default=0)


def _workers(client: Any) -> dict[int, AtWork]:
    found = [AtWork(*told) for told in client.run(_at_work).values()]
    return {worker.pid: worker for worker in found}


def _bytes(forest: Pipeline) -> bytes:
    return export_forest(forest)


def test_forest_grown_on_two_workers_is_the_same_bit_for_bit(cluster, rows, alone) -> None:
    address, _ = cluster
    with distributed.Client(address, set_as_default=False) as client:
        with spread(address):
            forest = fit_forest(*rows, OPTIONS)
            predicted = forest.predict(rows[0])
        grew = [worker.done for worker in _workers(client).values()]
    assert len(grew) == 2 and min(grew) > 10, grew
    assert _bytes(forest) == alone
    np.testing.assert_array_equal(predicted, forest.predict(rows[0]))


@pytest.mark.full
@pytest.mark.timeout(120)
def test_candidate_of_a_cluster_is_that_of_this_machine(cluster, rows) -> None:
    address, _ = cluster
    features, labels = rows
    hours = np.datetime64("2026-01-01", "s") + np.arange(len(labels)) * np.timedelta64(3600, "s")
    samples = Samples(features, labels.astype(np.uint8), hours, np.full(len(labels), "BTC", object))
    told = Provenance("run", "table", "fingerprint", datetime(2026, 7, 1, tzinfo=UTC))
    options = TrainingOptions(trees=40, cv_trees=5)
    here, there = (
        build_candidate(samples, options, 0.2, timedelta(hours=24), told, scheduler=scheduler)
        for scheduler in (None, address)
    )
    assert there.model == here.model
    differing = {name for name in here.metrics if here.metrics[name] != there.metrics[name]}
    assert differing <= {"latency_ms"}
    with distributed.Client(address, set_as_default=False) as client:
        grew = [worker.done for worker in _workers(client).values()]
    assert len(grew) == 2 and min(grew) > 10, grew


def _grown_with_a_retry(address, rows):
    """Now and then the results of the dead worker are lost, which Airflow tries again."""
    try:
        with spread(address):
            return fit_forest(*rows, OPTIONS)
    except ClusterUnavailable:
        with spread(address):
            return fit_forest(*rows, OPTIONS)


@pytest.mark.full
def test_worker_that_dies_in_the_middle_changes_nothing(cluster, rows, alone) -> None:
    address, (victim, other) = cluster
    ended = threading.Event()
    killed: list[dict[int, AtWork]] = []

    def kill() -> None:
        with distributed.Client(address, set_as_default=False) as client:
            while not ended.is_set():
                workers = _workers(client)
                grown = min(worker.done for worker in workers.values()) >= 10
                if grown and workers[victim.pid].running and not ended.is_set():
                    os.killpg(victim.pid, signal.SIGKILL)
                    killed.append(workers)
                    return

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        forest = _grown_with_a_retry(address, rows)
    finally:
        ended.set()
        killer.join()
    (before,) = killed
    assert before[victim.pid].largest >= forest_inputs(rows[0]).nbytes
    with distributed.Client(address, set_as_default=False) as client:
        after = _workers(client)
    assert after.keys() == {other.pid}
    assert after[other.pid].done >= before[other.pid].done + 5
    assert _bytes(forest) == alone


@pytest.mark.full
def test_cluster_out_of_reach_is_named_and_may_be_tried_again() -> None:
    before = time.monotonic()
    with (
        pytest.raises(
            ClusterUnavailable, match=r"tcp://127.0.0.1:1 \(TRAIN_DASK_SCHEDULER\) cannot"
        ),
        spread("tcp://127.0.0.1:1"),
    ):
        pass
    assert time.monotonic() - before < 60
