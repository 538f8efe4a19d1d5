"""The README's commands do what it says; facts that stand in it and in the code agree."""

import json
import os
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.thresholds import THRESHOLDS
from tests.dags.small_models import deploy, small_candidates

REPOSITORY = Path(__file__).resolve().parent.parent
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
GUIDES = {file: file.read_text(encoding="utf-8") for file in (REPOSITORY / "docs").glob("*.md")}
EVERYTHING = "\n".join((README, *GUIDES.values()))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment whose Airflow, ClickHouse, models and pages lie in a new folder."""
    home = tmp_path_factory.mktemp("demo")
    connection = {"conn_type": "chdb", "extra": {"path": str(home / "clickhouse")}}
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "MAKE", "MFLAGS", "PYTEST"))
    }
    return inherited | {
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW_CONN_CLICKHOUSE_DEFAULT": json.dumps(connection),
        "AIRFLOW_VAR_MODELS_DIR": str(home / "models"),
        "AIRFLOW_VAR_DATA_DOCS_DIR": str(home / "docs"),
        "PATH": f"{REPOSITORY / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }


def _run(command: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    assert command in EVERYTHING
    return subprocess.run(
        command.split(),
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


def test_demo_commands_end_as_the_readme_says(environment: dict[str, str]) -> None:
    models = Path(environment["AIRFLOW_VAR_MODELS_DIR"])

    first = _run("make demo", environment)
    assert first.returncode == 0, first.stdout[-3000:] + first.stderr[-3000:]
    assert "\nVerdict: deployed (run " in first.stdout
    steps = re.findall(r"^(\d)/6 (\w+)", first.stdout, re.MULTILINE)
    assert [number for number, _ in steps] == list("123456")
    assert len(first.stdout.splitlines()) <= 40 and first.stderr == ""
    log = Path(environment["AIRFLOW_HOME"], "demo.log")
    assert str(log) in first.stdout and "Data gate: Passed" in log.read_text("utf-8")
    # Where the Airflow UI looks for the log of a task.
    logs = Path(environment["AIRFLOW_HOME"]).glob("logs/*/*/task_id=check_data/attempt=1.log")
    assert any("Data gate: Passed" in file.read_text("utf-8") for file in logs)
    assert (models / "regime_detector.onnx").exists()


@pytest.mark.full
def test_demo_below_the_floor_keeps_production_and_says_why(environment: dict[str, str]) -> None:
    below = _run("make demo AIRFLOW_VAR_MIN_ACCURACY=0.99", environment)
    verdict = below.stdout.split("\nVerdict: ")[1]
    assert below.returncode == 0
    assert verdict.startswith("kept") and "6/6 skip_deployment" in below.stdout
    assert "is below the floor of 99.0% (MIN_ACCURACY)" in verdict
    assert "is not better than production's" in verdict


@pytest.mark.full
def test_demo_that_is_rejected_says_why_and_leaves_production(environment: dict[str, str]) -> None:
    models = Path(environment["AIRFLOW_VAR_MODELS_DIR"])
    before = {path: path.read_bytes() for path in models.rglob("*") if path.is_file()}
    rejected = _run("make demo AIRFLOW_VAR_MIN_LABELED_SAMPLES=1000000", environment)
    assert rejected.returncode != 0
    assert "FAILED in check_data\n" in rejected.stdout
    assert "Production is unchanged: " in rejected.stdout
    assert "Samples: 4000 (need 1000000+)" in rejected.stdout
    assert "Please label more data and retry." in rejected.stdout
    assert "Data Docs: " in rejected.stdout
    assert {path: path.read_bytes() for path in models.rglob("*") if path.is_file()} == before


@pytest.mark.full
def test_airflow_commands_work_as_written(environment: dict[str, str]) -> None:
    airflow = environment | {
        "PYTHONPATH": str(REPOSITORY),
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    task = _run("airflow tasks test regime_model_training check_data 2026-11-22", airflow)
    assert task.returncode == 0, task.stdout[-3000:] + task.stderr[-3000:]
    assert "Data gate: Passed" in task.stdout + task.stderr
    dag = _run("airflow dags test regime_model_training", airflow)
    assert dag.returncode == 0, dag.stdout[-3000:] + dag.stderr[-3000:]
    models = Path(environment["AIRFLOW_VAR_MODELS_DIR"])
    production = (models / "regime_detector.onnx").read_bytes()
    (another,) = small_candidates(1)
    deploy(models, another, datetime.now(UTC))
    rollback = _run("airflow dags test regime_model_rollback", airflow)
    assert rollback.returncode == 0, rollback.stdout[-3000:] + rollback.stderr[-3000:]
    assert (models / "regime_detector.onnx").read_bytes() == production
    listed = _run("airflow dags list-import-errors", airflow)
    assert listed.returncode == 0


def test_sample_market_help_is_shown(environment: dict[str, str]) -> None:
    run = _run("python -m sample_market --help", environment)
    assert run.returncode == 0
    assert "--labelled-share" in run.stdout


def test_notifications_commands_are_there(environment: dict[str, str]) -> None:
    assert "python -m notifications preview\n" in EVERYTHING
    run = _run("python -m notifications test", environment)
    assert (run.returncode, run.stdout) == (2, "")
    assert "AIRFLOW_VAR_TELEGRAM_BOT_TOKEN" in run.stderr


def test_every_make_command_is_a_target() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"`make (\w+)|^make (\w+)", EVERYTHING, re.MULTILINE))
    targets = {first or second for first, second in named}
    assert targets >= {"demo", "test", "ui", "lock"}
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_threshold_stands_in_the_settings_with_its_default() -> None:
    for threshold in THRESHOLDS.values():
        (row,) = [
            line
            for line in GUIDES[REPOSITORY / "docs/settings.md"].splitlines()
            if re.search(rf"^ *\| (`\w+`, )?`{threshold.name}`(, `\w+`)? \|", line)
        ]
        default = "none" if threshold.default is None else f"{threshold.default:.15g}"
        assert default in re.split(r"[|,]", row.replace(" ", "")), row


def test_every_linked_file_exists() -> None:
    for file, text in {REPOSITORY / "README.md": README, **GUIDES}.items():
        prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        for target in re.findall(r"\]\((?!http|#)([^)]+)\)", prose):
            name, _, anchor = target.partition("#")
            linked = file.parent / name
            assert linked.exists(), (file.name, target)
            if anchor:
                titles = re.findall(r"^#+ (.+)$", linked.read_text("utf-8"), re.MULTILINE)
                anchors = {re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles}
                assert anchor in anchors, (file.name, target)


def test_readme_is_read_in_150_lines() -> None:
    assert len(README.splitlines()) <= 150


def test_environment_of_the_demo_makes_a_shell_in_which_commands_work() -> None:
    assert 'eval "$(make env)"' in README
    script = 'eval "$(make env)"; echo "$AIRFLOW_HOME"; python -m ml --help'
    bare = {name: os.environ[name] for name in ("PATH", "HOME")} | {"AIRFLOW_HOME": "/tmp/a b"}
    run = subprocess.run(
        ["bash", "-c", script], cwd=REPOSITORY, env=bare, capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith("/tmp/a b\n") and "rollback" in run.stdout
