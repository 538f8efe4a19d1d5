"""Celery workers as on machines of their own, and the Redis that hands them tasks."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import redis

from tests.services.scheduler import wait_until
from tests.services.server import REPOSITORY, free_port


@dataclass(frozen=True)
class Machine:
    """A worker with a disk of its own.

    Attributes:
        name: as Airflow calls the host.
        folder: its disk: AIRFLOW_HOME, working folder, temporary files, Data Docs.
        process: the worker, which leads a process group.
    """

    name: str
    folder: Path
    process: subprocess.Popen[bytes]

    def log(self, task_id: str) -> str:
        """What a task has written on this disk."""
        logs = (self.folder / "logs").rglob(f"task_id={task_id}/*.log")
        return "".join(log.read_text(encoding="utf-8", errors="replace") for log in logs)

    def power_off(self) -> None:
        """Kills every process of it; none gets a chance to say or clear anything."""
        leader = psutil.Process(self.process.pid)
        processes = [leader, *leader.children(recursive=True)]
        for process in processes:
            process.suspend()
        os.killpg(self.process.pid, signal.SIGKILL)
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()
        wait_until(lambda: not any(map(_lives, processes)), f"the end of {self.name}", 10)

    def stop(self) -> None:
        """Ends the worker if it still runs."""
        if self.process.poll() is None:
            self.power_off()


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def switch_on(name: str, folder: Path, dags: Path) -> Machine:
    """Starts a worker with the environment of this process, and with its own disk."""
    for part in ("tmp", "work", "docs"):
        (folder / part).mkdir(parents=True)
    (folder / "this_machine.py").write_text(f"def name():\n    return {name!r}\n", encoding="utf-8")
    environment = os.environ | {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "this_machine.name",
        "AIRFLOW_VAR_DATA_DOCS_DIR": str(folder / "docs"),
        "PYTHONPATH": f"{REPOSITORY}:{folder}",
        "TMPDIR": str(folder / "tmp"),
    }
    command = [sys.executable, "-m", "airflow", "celery", "worker", "--skip-serve-logs"]
    with (folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--celery-hostname", name],
            env=environment,
            cwd=folder / "work",
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return Machine(name, folder, process)


@contextmanager
def redis_of(service: Mapping[str, object], folder: Path) -> Iterator[str]:
    """Runs the Redis of the compose file on a port of its own, and gives its URL."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is missing: apt-get install redis-server")
    folder.mkdir()
    port, password = free_port(), "r3d1s"
    command = service["command"]
    assert isinstance(command, list)
    *shell, script = command
    with_place = script.replace("<<END", f"<<END\nbind 127.0.0.1\nport {port}").replace("$$", "$")
    with (folder / "redis.log").open("wb") as log:
        process = subprocess.Popen(
            [*shell, with_place],
            cwd=folder,
            env=os.environ | {"REDISCLI_AUTH": password},
            stdout=log,
            stderr=log,
        )
    client = redis.Redis(port=port, password=password)
    try:
        wait_until(lambda: _answers(client), "Redis", 20)
        yield f"redis://:{password}@127.0.0.1:{port}/0"
    finally:
        client.close()
        process.terminate()
        process.wait()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
