"""The compose stack as plain processes: its commands, environment and healthchecks, without Docker.

Each service gets a loopback address of its own in place of its name, so that every port stays the
one of the compose file. The image's folders become folders of the test.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import text

from clickhouse.engine import open_engine
from tests.services.server import REPOSITORY, Server

ADDRESSES = {
    "postgres": "127.81.0.2",
    "clickhouse": "127.81.0.3",
    "airflow-apiserver": "127.81.0.4",
    "airflow-scheduler": "127.81.0.5",
    "airflow-dag-processor": "127.81.0.6",
    "airflow-triggerer": "127.81.0.7",
}


@dataclass
class Stack:
    """The services of docker-compose.yaml on this machine.

    Attributes:
        folder: takes the place of the container's root folder.
        user: ordinary user that runs everything; None if the tests have no right to choose.
    """

    folder: Path
    user: str | None
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        resolved = subprocess.run(
            ["docker-compose", "--env-file", self.folder / ".env", "--profile", "demo", "config"],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        )
        self.services: dict[str, dict[str, Any]] = yaml.safe_load(resolved.stdout)["services"]

    def build_image(self) -> None:
        """Runs the image's steps in empty folders, as they stand in the Dockerfile."""
        for name in ("opt/airflow/logs", "app/models", "app/data_docs", "tmp"):
            self.make_folder(name)
        self._shell(f"{python_for(self.user)} -m venv {self.folder}/base")
        for step in dockerfile_steps():
            instruction, _, rest = step.partition(" ")
            if instruction == "COPY" and not rest.startswith("--from"):
                self._copy(*rest.split())
            elif instruction == "RUN" and "useradd" not in rest:  # those folders have an owner
                self._shell(self.here(rest, "image"))

    def make_folder(self, name: str) -> Path:
        """Makes a folder that belongs to the ordinary user."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        for made in (folder, *folder.parents):
            if self.user and made.is_relative_to(self.folder):
                shutil.chown(made, self.user)
        return folder

    @property
    def secrets(self) -> dict[str, str]:
        """What `.env` says."""
        lines = (self.folder / ".env").read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

    def shell(self, command: str) -> str:
        """Runs a command in the image and returns what it says."""
        run = subprocess.run(
            shlex.split(command), check=True, **self._process("airflow-init", text=True)
        )
        return str(run.stdout)

    def run(self, service: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Runs a service that ends by itself."""
        return subprocess.run(
            self.command(service),
            timeout=timeout,
            check=False,
            **self._process(service, text=True),
        )

    def start(self, service: str) -> None:
        """Starts a service that stays."""
        log = (self.folder / f"{service}.log").open("ab")
        self.running[service] = subprocess.Popen(
            self.command(service), stdout=log, stderr=log, **self._process(service)
        )
        log.close()

    def wait_until_healthy(self, service: str, timeout: float = 120) -> None:
        """Asks by the service's own healthcheck until it agrees."""
        end = time.monotonic() + timeout
        test = self.services[service]["healthcheck"]["test"]
        while True:
            check = subprocess.run(
                [self.here(part, service) for part in test[1:]],
                check=False,
                **self._process(service, text=True),
            )
            if check.returncode == 0:
                return
            process = self.running.get(service)
            if time.monotonic() > end or (process and process.poll() is not None):
                raise AssertionError(f"{service}: {check.stderr}{self.log_of(service)[-4000:]}")
            time.sleep(1)

    def stop(self) -> None:
        """Stops what runs, the children of each service too."""
        for process in self.running.values():
            os.killpg(process.pid, signal.SIGTERM)
        for process in self.running.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def command(self, service: str) -> list[str]:
        """The service's command with this machine's paths and addresses."""
        command = self.services[service]["command"]
        parts = shlex.split(command) if isinstance(command, str) else command
        return [self.here(part, service) for part in parts]

    def environment(self, service: str) -> dict[str, str]:
        """The service's environment, and what only this machine needs."""
        given = self.services[service]["environment"]
        here = {name: self.here(str(value), service) for name, value in given.items()}
        address = ADDRESSES.get(service, "127.0.0.1")
        return here | {
            "PATH": f"{self.folder}/opt/venv/bin:{os.environ['PATH']}",
            "HOME": str(self.folder / "opt/airflow"),
            "TMPDIR": str(self.folder / "tmp"),
            "AIRFLOW__API__HOST": address,
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_HOST": address,
        }

    def here(self, text: str, service: str) -> str:
        """Puts this machine's paths and addresses in place of the containers'."""
        text = re.sub(r"(?<![\w.])/(?=(?:app|opt)/|app$|app\b)", f"{self.folder}/", text)
        own = ADDRESSES.get(service, "127.0.0.1")
        text = re.sub(r"(?<=//)localhost(?=:)|127\.0\.0\.1", own, text)
        for name, address in ADDRESSES.items():
            text = re.sub(rf'(?<=[/@"]){name}(?=[:"])', address, text)
        return text

    def log_of(self, service: str) -> str:
        """What a service has written so far."""
        log = self.folder / f"{service}.log"
        return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""

    def _process(self, service: str, *, text: bool = False) -> dict[str, Any]:
        options: dict[str, Any] = {
            "cwd": self.folder / "app",
            "env": self.environment(service),
            "user": self.user,
            "start_new_session": True,
        }
        return options | ({"text": True, "capture_output": True} if text else {})

    def _copy(self, source: str, target: str) -> None:
        found = REPOSITORY / source
        where = self.folder / "app" / (found.name if target.startswith(".") else target)
        if found.is_dir():
            shutil.copytree(found, where, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(found, where)
        if self.user:
            for made in (where, *where.rglob("*")):
                shutil.chown(made, self.user)

    def _shell(self, command: str) -> None:
        # How this machine reaches its package registry stands in its environment.
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("AIRFLOW", "PYTHON"))}
        here = {
            "PATH": f"{self.folder}/base/bin:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder / "tmp"),
        }
        subprocess.run(
            ["bash", "-ec", command],
            cwd=self.folder / "app",
            env=kept | here,
            user=self.user,
            check=True,
        )


def python_for(user: str | None) -> str:
    """Finds a Python that the user may run: that of the tests may lie in root's home."""
    for candidate in (sys.executable, "/usr/bin/python3"):
        try:
            probe = [candidate, "-c", "import venv, ensurepip"]
            subprocess.run(probe, user=user, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return candidate
    pytest.skip(f"no Python that {user} may run: apt-get install python3-venv")


def dockerfile_steps() -> list[str]:
    """The instructions of the Dockerfile, each in one line, without comments."""
    text = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    return [step for step in lines.replace("\\\n", "").splitlines() if step]


def clickhouse_of(stack: Stack) -> Server:
    """The ClickHouse server of the stack: its users, and its scripts run by `default`."""
    given = stack.services["clickhouse"]["environment"]
    passwords = {name: given[name] for name in given if name.endswith("_PASSWORD")}
    server = Server(stack.make_folder("clickhouse"), 9000, 8123, ADDRESSES["clickhouse"], passwords)
    server.start()
    engine = open_engine(server.url("native"))
    with engine.connect() as connection:
        for script in ("docker/clickhouse/databases.sql", "clickhouse/schema.sql"):
            connection.execute(text((REPOSITORY / script).read_text(encoding="utf-8")))
    engine.dispose()
    return server
