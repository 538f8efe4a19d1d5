"""A forest grown on a Dask cluster, of which a worker dies: the same forest bit for bit."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from socket import socket
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from ml.cluster import ClusterUnavailable, spread
from ml.onnx_export import export_forest
from ml.training import TrainingOptions, fit_forest
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


def _grown(dask_worker: Any) -> int:
    return int(dask_worker.state.executed_count)


def _bytes(forest: Pipeline) -> bytes:
    return export_forest(forest)


def test_forest_grown_on_two_workers_is_the_same_bit_for_bit(cluster, rows, alone) -> None:
    address, _ = cluster
    with distributed.Client(address, set_as_default=False) as client:
        with spread(address):
            forest = fit_forest(*rows, OPTIONS)
        grew = client.run(_grown)
    assert len(grew) == 2 and all(count > 10 for count in grew.values()), grew
    assert _bytes(forest) == alone


def test_worker_that_dies_in_the_middle_changes_nothing(cluster, rows, alone, capsys) -> None:
    address, workers = cluster
    told = []

    def kill() -> None:
        with distributed.Client(address, set_as_default=False) as client:
            while min((grown := client.run(_grown)).values()) < 20:
                time.sleep(0.02)
            os.killpg(workers[0].pid, signal.SIGKILL)
            told.append(f"killed one of two workers after they had grown {[*grown.values()]} trees")

    killer = threading.Thread(target=kill)
    killer.start()
    with spread(address):
        forest = fit_forest(*rows, OPTIONS)
    killer.join()
    grown = int(told[0].rpartition("]")[0].rpartition("[")[2].split(",")[0])
    assert 20 <= grown < OPTIONS.trees / 2
    with capsys.disabled():
        sys.stdout.write(f"\n{told[0]}\n")
    assert _bytes(forest) == alone


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
