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

from ml.storage import Folder
from tests.dags.home import embedded_home, listening_chat
from tests.services.scheduler import Airflow, running_airflow, wait_until
from tests.services.server import REPOSITORY

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(900)]

DAG = "regime_model_training"
SHORT, LATE = f"{DAG}_short", f"{DAG}_late"
PARTS = ("api-server", "scheduler", "dag-processor", "triggerer")
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
    """The real DAG without retries; one stopped in half a minute, one expected in a minute."""
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
    late = text.replace("(EXPECTED_WITHIN,", "(timedelta(minutes=1),").replace(DAG, LATE)
    assert late.count("minutes=1") == 1
    (folder / f"{LATE}.py").write_text(late, encoding="utf-8")
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

    with running_airflow(tmp_path / "airflow", dags, PARTS) as airflow:
        for dag_id in (DAG, SHORT, LATE):
            airflow.unpause(dag_id)

        def fail(way: str, work: Callable[[], tuple[str, str]]) -> str:
            before = len(chat)
            dag_id, run_id = work()
            state = airflow.finished(dag_id, run_id)[0]
            noticed = time.monotonic()
            wait_until(lambda: len(chat) > before, f"the message of {way}", 30)
            seconds = time.monotonic() - noticed
            time.sleep(SETTLED)
            messages = chat[before:]
            table.append([way, state, len(messages), f"{seconds:.0f}"])
            assert state == "failed"
            assert len(messages) == 1, messages
            assert TOLD[way] in messages[0], messages[0]
            assert "Data Docs: " in messages[0]
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

        table += _late(airflow, chat)

    names = ["way of failing", "run", "messages", "seconds"]
    with capsys.disabled():
        sys.stdout.write(f"\n{tabulate(table, names, 'simple')}\n")
    assert sum(text.startswith("❌") for text in chat) == len(TOLD) + 1
    shutil.rmtree(tmp_path / "airflow")


def _late(airflow: Airflow, chat: list[str]) -> list[list[object]]:
    """A run that is late tells so once and goes on; one that waits for a person does not."""
    failed, _ = airflow.finished(LATE, airflow.trigger(LATE, embargo_hours=8000))
    wait_until(lambda: chat[-1].startswith("❌"), "the message of a failure in time", 30)
    before = len(chat)
    run_id = airflow.trigger(LATE, require_approval=True)
    airflow.question(LATE, run_id, "approve_deployment")
    said = f"{run_id} is late and waits for a person"
    wait_until(lambda: _logged(airflow, said), "the deadline of the waiting run", 120)
    airflow.answer(LATE, run_id, "approve_deployment", "Reject")
    waiting, _ = airflow.finished(LATE, run_id)
    wait_until(lambda: len(chat) > before + 1, "the message of its end", 30)
    assert [text[0] for text in chat[before:]] == ["✋", "🎯"]

    before = len(chat)
    airflow.set_slots(0)
    run_id = airflow.trigger(LATE)
    wait_until(lambda: len(chat) > before, "the message of a late run", 120)
    assert chat[before].startswith("⏰ Regime Detection Model Training Late\n\n🕐 Expected by: ")
    assert "State: check_data scheduled" in chat[before]
    airflow.set_slots(16)
    state, _ = airflow.finished(LATE, run_id)
    time.sleep(SETTLED)
    assert [text[0] for text in chat[before:]] == ["⏰", "🎯"]
    assert sum(text.startswith("⏰") for text in chat) == 1
    return [
        ["late, then finished", state, 1, ""],
        ["late, but waiting for a person", waiting, 0, ""],
        ["failed before it was late", failed, 1, ""],
    ]


def _logged(airflow: Airflow, words: str) -> bool:
    return any(words in log.read_text("utf-8", "replace") for log in airflow.folder.rglob("*.log"))
