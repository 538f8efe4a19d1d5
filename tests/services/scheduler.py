"""A running Airflow of its own: REST interface, scheduler and DAG processor, on SQLite."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

USER = "ann"
_PARTS = ("api-server", "scheduler", "dag-processor")
_PASSWORD = "s3cr3t"


@dataclass(frozen=True)
class Airflow:
    """Its REST interface, logged in as an administrator.

    Attributes:
        address: where it answers.
        folder: its AIRFLOW_HOME.
        session: carries the login.
    """

    address: str
    folder: Path
    session: requests.Session

    def get(self, path: str) -> dict[str, Any]:
        return self._ask("GET", path)

    def unpause(self, dag_id: str) -> None:
        """Switches a DAG on, as soon as Airflow knows it."""
        wait_until(lambda: self._known(dag_id), f"the DAG {dag_id}", 120)
        self._ask("PATCH", f"dags/{dag_id}", {"is_paused": False})

    def pause(self, dag_id: str) -> None:
        """Switches a DAG off."""
        self._ask("PATCH", f"dags/{dag_id}", {"is_paused": True})

    def trigger(self, dag_id: str, **conf: Any) -> str:
        """Starts a run and gives its id."""
        body = {"logical_date": datetime.now(UTC).isoformat(), "conf": conf}
        return str(self._ask("POST", f"dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def clear(self, dag_id: str, run_id: str) -> None:
        """Runs the failed tasks of a run again."""
        body = {"dry_run": False, "only_failed": True}
        self._ask("POST", f"dags/{dag_id}/dagRuns/{run_id}/clear", body)

    def set_slots(self, slots: int) -> None:
        """Lets so many tasks run at once."""
        self._ask("PATCH", "pools/default_pool?update_mask=slots", {"slots": slots})

    def set_variable(self, key: str, value: str) -> None:
        """Sets an Airflow Variable in the database."""
        self.session.delete(f"{self.address}/api/v2/variables/{key}", timeout=30)
        self._ask("POST", "variables", {"key": key, "value": value})

    def set_connection(self, name: str, kind: str, extra: str) -> None:
        """Sets an Airflow Connection in the database."""
        self.session.delete(f"{self.address}/api/v2/connections/{name}", timeout=30)
        self._ask("POST", "connections", {"connection_id": name, "conn_type": kind, "extra": extra})

    def add_asset_event(self, like: Mapping[str, Any], **extra: Any) -> None:
        """Tells of a change of an asset that is like another event but for some details."""
        told = {"asset_id": like["asset_id"], "extra": {**like["extra"], **extra}}
        self._ask("POST", "assets/events", told)

    def question(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        """Waits for the question of a task."""
        task = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
        unasked = {None, "scheduled", "queued", "running"}
        wait_until(lambda: self.get(task)["state"] not in unasked, f"{task_id} to ask", 180)
        # An answer before the scheduler has seen that the task parked, so within seconds, makes
        # Airflow 3.3.2 fail the try and ask again.
        wait_until(lambda: self._seen_parked(run_id, task_id), f"{task_id} to be parked", 60)
        return self.get(f"{task}/-1/hitlDetails")

    def answer(self, dag_id: str, run_id: str, task_id: str, option: str) -> None:
        """Answers the question of a task."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/-1/hitlDetails"
        self._ask("PATCH", path, {"chosen_options": [option], "params_input": {}})

    def finished(self, dag_id: str, run_id: str) -> tuple[str, dict[str, str]]:
        """Waits for the end of a run; its state and those of its tasks."""
        run = f"dags/{dag_id}/dagRuns/{run_id}"
        wait_until(lambda: self.get(run)["state"] in {"success", "failed"}, f"run {run_id}", 180)
        tasks = self.get(f"{run}/taskInstances")["task_instances"]
        return str(self.get(run)["state"]), {task["task_id"]: task["state"] for task in tasks}

    def result(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """What a task returned."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        return self.get(f"{path}?deserialize=true")["value"]

    def _seen_parked(self, run_id: str, task_id: str) -> bool:
        log = (self.folder / "scheduler.log").read_text(encoding="utf-8", errors="replace")
        told = (
            "TaskInstance Finished",
            f"task_id={task_id},",
            f"run_id={run_id},",
            "awaiting_input",
        )
        return any(all(word in line for word in told) for line in log.splitlines())

    def _known(self, dag_id: str) -> bool:
        return self.session.get(f"{self.address}/api/v2/dags/{dag_id}", timeout=30).ok

    def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        url = f"{self.address}/api/v2/{path}"
        answer = self.session.request(method, url, json=body, timeout=30)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        found: dict[str, Any] = answer.json()
        return found


@contextmanager
def running_airflow(
    folder: Path,
    dags: Path,
    parts: Sequence[str] = _PARTS,
    prefix: str = "",
    others: Mapping[str, str] | None = None,
) -> Iterator[Airflow]:
    """Starts Airflow with the environment of this process, and stops it.

    Args:
        folder: its AIRFLOW_HOME, which is made.
        dags: its DAGs folder.
        parts: its processes.
        prefix: path of its address, such as `/airflow`.
        others: further users and their roles.
    """
    folder.mkdir()
    port = _free_port()
    address = f"http://127.0.0.1:{port}{prefix}"
    users = {USER: "admin", **(others or {})}
    passwords = json.dumps(dict.fromkeys(users, _PASSWORD))
    (folder / "passwords.json").write_text(passwords, encoding="utf-8")
    environment = os.environ | {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(map(":".join, users.items())),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(folder / "passwords.json"),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(_free_port()),
    }
    command = [sys.executable, "-m", "airflow"]
    subprocess.run([*command, "db", "migrate"], env=environment, check=True, capture_output=True)
    processes = []
    for part in parts:
        with (folder / f"{part}.log").open("wb") as log:
            process = subprocess.Popen(
                [*command, part],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        processes.append(process)
    try:
        yield Airflow(address, folder, _logged_in(address))
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGTERM)
        for process in processes:
            _ended(process)


def dags_without_schedule(folder: Path) -> Path:
    """Copies the DAGs there; one that is switched on would make up for its latest run."""
    here = Path(__file__).resolve().parents[2] / "dags"
    dags = folder / "dags"
    shutil.copytree(here, dags, ignore=shutil.ignore_patterns("__pycache__"))
    for name, schedule in {"training": '"0 2 * * 0"', "watch": '"0 1 * * *"'}.items():
        file = dags / f"regime_model_{name}.py"
        text = file.read_text(encoding="utf-8")
        assert schedule in text
        file.write_text(text.replace(schedule, "None"), encoding="utf-8")
    return dags


def wait_until(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Waits for a condition.

    Raises:
        AssertionError: naming what did not come.
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:g} s for {what}"
        time.sleep(0.5)


def _logged_in(address: str) -> requests.Session:
    wait_until(lambda: _answers(address), "the REST interface", 120)
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"Bearer {token_of(address, USER)}"
    return session


def token_of(address: str, user: str) -> str:
    """Logs a user in."""
    login = {"username": user, "password": _PASSWORD}
    answer = requests.post(f"{address}/auth/token", json=login, timeout=30)
    return str(answer.json()["access_token"])


def _answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/api/v2/version", timeout=5).ok
    except requests.RequestException:
        return False


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _ended(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
