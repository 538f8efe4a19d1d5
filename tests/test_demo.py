"""What `make demo` tells, with stand-ins for what it starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY


@pytest.fixture
def demo(tmp_path: Path):
    """Runs the story with these scripts as make and as the installed Python."""

    def run(make: str, python: str, **variables: str) -> subprocess.CompletedProcess[str]:
        programs = {"make": make, "python": python}
        for name, script in programs.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
            (tmp_path / name).chmod(0o755)
        given = [str(tmp_path / name) for name in programs]
        return subprocess.run(
            [sys.executable, "-m", "pipeline.demo", *given],
            cwd=REPOSITORY,
            env=os.environ | {"AIRFLOW_HOME": str(tmp_path / "home")} | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


STEP = """echo plumbing; echo '{"step": "train_model", "found": "3,168 rows"}' >&"$DEMO_EVENTS\""""


def test_steps_are_told_and_what_programs_say_goes_to_the_log(demo, tmp_path: Path) -> None:
    done = demo("echo installing", STEP)
    assert done.returncode == 0 and done.stderr == ""
    first, install, step = done.stdout.splitlines()
    assert first.endswith(f"The whole log: {tmp_path / 'home/demo.log'}")
    assert install.startswith("1/6 install ") and step.startswith("2/6 train_model      3,168 rows")
    assert (tmp_path / "home/demo.log").read_text("utf-8") == "installing\nplumbing\n"


def test_installation_that_fails_ends_with_its_last_words(demo) -> None:
    done = demo("seq 9; echo no route to the registry; exit 2", STEP)
    assert done.returncode == 1
    assert "FAILED: installing did not come to its end" in done.stdout
    assert "  no route to the registry\n" in done.stdout and "  1\n" not in done.stdout
    assert "train_model" not in done.stdout


@pytest.mark.parametrize(("code", "told"), [(3, False), (1, True), (137, True)])
def test_run_that_has_told_why_is_not_told_of_twice(demo, code: int, told: bool) -> None:
    done = demo("true", f"echo Traceback; exit {code}")
    assert done.returncode != 0
    assert ("FAILED: the run" in done.stdout) is told


def test_verbose_shows_everything(demo) -> None:
    assert "plumbing\n" in demo("true", STEP, VERBOSE="1").stdout
