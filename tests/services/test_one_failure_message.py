"""Each failed run gives exactly one message, however it fails: in a running Airflow."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from tabulate import tabulate

from ml.registry.store import Folder
from tests.dags.home import embedded_home, listening_chat
from tests.services.scheduler import Airflow, running_airflow, wait_until
from tests.services.server import REPOSITORY

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(900)]

DAG = "regime_model_training"
SHORT = f"{DAG}_short"
SETTLED = 10
"""Seconds in which a second message would have come."""
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


@pytest.fixture
def dags(tmp_path: Path) -> Path:
    """The real DAG without retries, and another that is stopped in half a minute."""
    folder = tmp_path / "dags"
    folder.mkdir()
    text = (REPOSITORY / "dags" / f"{DAG}.py").read_text(encoding="utf-8")
    text = text.replace('"0 2 * * 0"', "None").replace(
        '"owner": "ml",', '"owner": "ml", "retries": 0,'
    )
    assert '"retries": 0' in text
    (folder / f"{DAG}.py").write_text(text, encoding="utf-8")
    limit = next(line for line in text.splitlines() if "dagrun_timeout" in line)
    short = text.replace(limit, "    dagrun_timeout=timedelta(seconds=30),").replace(DAG, SHORT)
    (folder / f"{SHORT}.py").write_text(short, encoding="utf-8")
    return folder


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    with listening_chat(monkeypatch) as messages:
        yield messages


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
    tmp_path: Path,
    dags: Path,
    chat: list[str],
    market: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = embedded_home(tmp_path, monkeypatch, lambda: "")
    home.load(market)
    home.models.mkdir(exist_ok=True)
    monkeypatch.setenv("AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT", "15")
    detection = "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL"
    monkeypatch.setenv(detection, "5")
    models = Folder(home.models)
    table = []

    with running_airflow(tmp_path / "airflow", dags) as airflow:
        for dag_id in (DAG, SHORT):
            airflow.unpause(dag_id)

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
            assert "Data Docs: " in chat[before]
            return run_id

        def triggered(**conf: object) -> tuple[str, str]:
            return DAG, airflow.trigger(DAG, **conf)

        def killed(*, supervisor_too: bool) -> tuple[str, str]:
            with models.locked():
                run_id = airflow.trigger(DAG)
                pid = _running(airflow, DAG, run_id, "train_model")
                for victim in [_parent(pid), pid] if supervisor_too else [pid]:
                    os.kill(victim, signal.SIGKILL)
                airflow.finished(DAG, run_id)
            return DAG, run_id

        def cleared() -> tuple[str, str]:
            airflow.clear(DAG, failed)
            return DAG, failed

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
        assert len(chat) == len(table)

    names = ["way of failing", "run", "seconds"]
    with capsys.disabled():
        sys.stdout.write(f"\n{tabulate(table, names, 'simple')}\n")
    assert sum(text.startswith("❌") for text in chat) == len(TOLD)
    shutil.rmtree(tmp_path / "airflow")
