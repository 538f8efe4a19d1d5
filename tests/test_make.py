"""What `make ui` starts, and where it listens."""

import os
import socket
import subprocess
from pathlib import Path

from tests.conftest import REPOSITORY


def _make(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=REPOSITORY,
        env=environment | {"AIRFLOW_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_ui_listens_on_this_machine_alone(tmp_path: Path) -> None:
    told = "$AIRFLOW__API__HOST $AIRFLOW__API__PORT $AIRFLOW__API__BASE_URL"
    airflow = tmp_path / "bin" / "airflow"
    airflow.parent.mkdir()
    (tmp_path / ".run").touch()
    airflow.write_text(f'#!/bin/sh\necho "$1 {told}"\n', encoding="utf-8")
    airflow.chmod(0o755)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    done = _make("ui", f"VENV={tmp_path}", f"AIRFLOW__API__PORT={port}", home=tmp_path)
    assert f"http://localhost:{port} in half a minute" in done.stdout, done.stderr
    assert "last Sunday's run" in done.stdout and len(done.stdout.splitlines()) == 1
    log = (tmp_path / "ui.log").read_text(encoding="utf-8")
    assert f"standalone 127.0.0.1 {port} http://localhost:{port}" in log


def test_port_that_is_taken_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = _make("ui", f"AIRFLOW__API__PORT={port}", home=tmp_path)
    assert done.returncode
    assert done.stdout.startswith(f"Port {port} is taken: stop what listens there")
    assert list(tmp_path.iterdir()) == []
