"""Each failed run gives exactly one message, however it fails: in a running Airflow."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tabulate import tabulate

from ml.registry.store import Folder
from tests.airflow.conftest import ONCE, SETTLED, SHORT, Place
from tests.services.scheduler import Airflow, wait_until

pytestmark = [pytest.mark.full, pytest.mark.filterwarnings("default"), pytest.mark.timeout(900)]

# By way of failing: what its one message says.
TOLD = {
    "exception": "Task: train_model\nError: The training samples older than the cut",
    "exception again": "Task: train_model\nError: The training samples older than the cut",
    "cleared and failed again": "Task: train_model\nError: The training samples older than the cut",
    "data rejected": "Error: Insufficient data quality\nSamples: 2000 (need 1000000+)",
    "task killed": "Task: train_model\nError: The task's process was killed",
    "run timed out": "was stopped",
    "task and its supervisor killed": "Error: The task's process was killed",
}


def _running(airflow: Airflow, dag_id: str, run_id: str, task_id: str) -> int:
    """Waits until a task runs; the number of its process."""
    path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
    wait_until(lambda: bool(airflow.get(path)["pid"]), f"{task_id} to run", 120)
    # It has to reach the lock that keeps it waiting.
    time.sleep(8)
    return int(airflow.get(path)["pid"])


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_every_way_of_failing_gives_one_message(
    place_at: Callable[[str], Place], capsys: pytest.CaptureFixture[str]
) -> None:
    place = place_at("failures")
    airflow, chat, began = place.airflow, place.chat, len(place.chat)
    place.home.models.mkdir(exist_ok=True)
    models = Folder(place.home.models)
    table = []

    def fail(way: str, work: Callable[[], tuple[str, str]]) -> str:
        before = len(chat)
        dag_id, run_id = work()
        state = airflow.finished(dag_id, run_id)[0]
        noticed = time.monotonic()
        wait_until(lambda: len(chat) > before, f"the message of {way}", 30)
        seconds = time.monotonic() - noticed
        table.append([way, state, f"{seconds:.0f}"])
        assert state == "failed"
        # A second message of the way before would stand here.
        assert TOLD[way] in chat[before], chat[before]
        assert f"\nLog: {airflow.address}/dags/{dag_id}/runs/" in chat[before]
        return run_id

    def triggered(**conf: object) -> tuple[str, str]:
        return ONCE, airflow.trigger(ONCE, **conf)

    def killed(*, supervisor_too: bool) -> tuple[str, str]:
        with models.locked():
            run_id = airflow.trigger(ONCE)
            pid = _running(airflow, ONCE, run_id, "train_model")
            for victim in [_parent(pid), pid] if supervisor_too else [pid]:
                os.kill(victim, signal.SIGKILL)
            airflow.finished(ONCE, run_id)
        return ONCE, run_id

    def cleared() -> tuple[str, str]:
        airflow.clear(ONCE, failed)
        return ONCE, failed

    def timed_out() -> tuple[str, str]:
        with models.locked():
            run_id = airflow.trigger(SHORT)
            airflow.finished(SHORT, run_id)
        return SHORT, run_id

    fail("exception", lambda: triggered(embargo_hours=8000))
    failed = fail("exception again", lambda: triggered(embargo_hours=8000))
    fail("cleared and failed again", cleared)
    fail("data rejected", lambda: triggered(min_labeled_samples=1_000_000))
    fail("task killed", lambda: killed(supervisor_too=False))
    fail("run timed out", timed_out)
    fail("task and its supervisor killed", lambda: killed(supervisor_too=True))
    time.sleep(SETTLED)
    assert len(chat) - began == len(table)

    names = ["way of failing", "run", "seconds"]
    with capsys.disabled():
        sys.stdout.write(f"\n{tabulate(table, names, 'simple')}\n")
    assert sum(text.startswith("❌") for text in chat[began:]) == len(TOLD)
