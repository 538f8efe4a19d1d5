"""The DAG files: their graphs and schedules, and that parsing them costs and needs nothing."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.filterwarnings("default")

DAGS = Path("dags")
HEAVY = (
    "pandas",
    "sklearn",
    "onnx",
    "onnxruntime",
    "great_expectations",
    "apprise",
    "chdb",
    "scipy",
)


@pytest.fixture(scope="module")
def dags() -> Any:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(DAGS), bundle_name="dags-folder", bundle_path=DAGS.resolve())
    assert bag.import_errors == {}
    return bag.dags


@pytest.fixture(scope="module")
def dag(dags: Any) -> Any:
    return dags["regime_model_training"]


@pytest.fixture(scope="module")
def rollback(dags: Any) -> Any:
    return dags["regime_model_rollback"]


def _graph(dag: Any) -> dict[str, set[str]]:
    return {task.task_id: set(task.downstream_task_ids) for task in dag.tasks}


def test_graph_is_the_workflow_of_the_readme(dag: Any) -> None:
    assert _graph(dag) == {
        "check_data": {"train_model", "validate_model"},
        "train_model": {"validate_model", "deploy_model", "notify_success"},
        "validate_model": {"approve_deployment", "skip_deployment"},
        "approve_deployment": {"deploy_model", "skip_deployment"},
        "deploy_model": {"notify_success"},
        "skip_deployment": {"notify_success"},
        "notify_success": set(),
    }


def test_rollback_lists_rolls_back_and_tells(rollback: Any) -> None:
    assert _graph(rollback) == {
        "list_backups": {"roll_back", "notify_rollback"},
        "roll_back": {"notify_rollback"},
        "notify_rollback": set(),
    }


def test_rollback_starts_by_hand_only_and_alone(rollback: Any) -> None:
    assert rollback.timetable.can_be_scheduled is False
    assert (rollback.catchup, rollback.max_active_runs) == (False, 1)
    assert {name: rollback.params[name] for name in rollback.params} == {
        "to": None,
        "why": None,
    }


def test_replay_starts_by_hand_only_alone_and_says_what_it_replays(dags: Any) -> None:
    replay = dags["regime_model_replay"]
    assert replay.timetable.can_be_scheduled is False
    assert (replay.catchup, replay.max_active_runs) == (False, 1)
    assert _graph(replay) == {"replay": set()}
    asked = {name: replay.params[name] for name in ("weeks", "label_delay", "answer", "gate")}
    assert asked == {"weeks": 52, "label_delay": 0, "answer": "yes", "gate": False}


def test_question_ends_before_its_run_does(dag: Any) -> None:
    (asking,) = [task for task in dag.tasks if hasattr(task, "response_timeout")]
    assert asking.response_timeout < dag.dagrun_timeout


def test_production_changes_in_two_tasks_and_both_update_the_asset(dags: Any) -> None:
    from pipeline.dag_defaults import MODEL

    tasks = [task for dag in dags.values() for task in dag.tasks]
    assert {task.task_id for task in tasks if MODEL in task.outlets} == {
        "deploy_model",
        "roll_back",
    }


def test_watch_runs_every_night_alone(dags: Any) -> None:
    watch = dags["regime_model_watch"]
    assert _graph(watch) == {"watch_model": set()}
    assert watch.timetable.expression == "0 1 * * *" and str(watch.timezone) == "UTC"
    assert (watch.catchup, watch.max_active_runs) == (False, 1)


def test_training_listens_to_the_watch_where_the_environment_says_so(
    dags: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.dag_defaults import TRAIN_WHEN_WORRYING, WORRYING, weekly

    monkeypatch.setenv(TRAIN_WHEN_WORRYING, "1")
    schedule = weekly("0 2 * * 0")
    assert WORRYING in schedule.asset_condition.objects
    assert schedule.timetable.expression == "0 2 * * 0"


def test_schedule_is_sunday_at_two_utc_without_catchup(dag: Any) -> None:
    assert dag.timetable.expression == "0 2 * * 0"
    assert str(dag.timezone) == "UTC"
    assert (dag.catchup, dag.max_active_runs) == (False, 1)


def test_every_task_retries_three_times_with_backoff(dags: Any) -> None:
    for task in (task for dag in dags.values() for task in dag.tasks):
        assert (task.retries, task.retry_exponential_backoff) == (3, 2.0)
        assert task.retry_delay >= timedelta(seconds=30)


def test_permanent_failures_exist_and_are_not_retried() -> None:
    from airflow.sdk.module_loading import import_string

    from pipeline.dag_defaults import PERMANENT_FAILURES

    for name in PERMANENT_FAILURES:
        assert issubclass(import_string(name), Exception)


def _python(code: str) -> subprocess.CompletedProcess[str]:
    bare = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW_CONN_")}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=bare
    )


def test_importing_the_dags_loads_no_heavy_package() -> None:
    files = ", ".join(file.stem for file in sorted(DAGS.glob("*.py")))
    code = (
        f"import sys; sys.path.insert(0, 'dags'); import {files}; "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    assert _python(code).stdout.strip().splitlines()[-1] == "[]"


@pytest.mark.parametrize("file", [file.stem for file in sorted(Path("plugins").glob("*.py"))])
def test_importing_a_plugin_loads_no_heavy_package_and_no_server(file: str) -> None:
    code = (
        "import airflow.plugins_manager, sys; before = set(sys.modules); "
        f"sys.path.insert(0, 'plugins'); import {file}; "
        f"loaded = set(sys.modules) - before; "
        f"print([name for name in {(*HEAVY, 'fastapi', 'jinja2')!r} if name in loaded])"
    )
    assert _python(code).stdout.strip().splitlines()[-1] == "[]"


@pytest.mark.usefixtures("_airflow_database")
def test_dag_parses_without_connection_and_variables() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "airflow", "dags", "list-import-errors", "--local"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, "No data found" in run.stdout) == (0, True), run.stdout + run.stderr


@pytest.mark.points
@pytest.mark.parametrize(
    ("module", "foreign"),
    [
        ("check_data", ("sklearn.ensemble", "apprise")),
        ("train_model", ("great_expectations", "apprise")),
        ("validate_model", ("great_expectations", "sklearn", "apprise")),
        ("deploy_model", ("great_expectations", "sklearn", "apprise", "clickhouse_driver")),
        ("roll_back", ("great_expectations", "sklearn", "apprise", "clickhouse_driver")),
        ("notify_success", ("great_expectations", "sklearn", "clickhouse_driver", "onnxruntime")),
    ],
)
def test_task_imports_only_what_it_uses(module: str, foreign: tuple[str, ...]) -> None:
    code = (
        f"import sys; import pipeline.tasks.{module}; "
        f"print([name for name in {foreign!r} if name in sys.modules])"
    )
    assert _python(code).stdout.strip().splitlines()[-1] == "[]"


def test_dags_and_their_tasks_explain_themselves_and_no_text_is_left_over(dags: Any) -> None:
    texts = {path.stem for path in Path("pipeline/ui/explanations").glob("*.md")}
    assert texts == {name for dag in dags.values() for name in (dag.dag_id, *dag.task_dict)}
    for dag in dags.values():
        assert all(text.strip() for text in (dag.doc_md, *(task.doc_md for task in dag.tasks)))
        assert "{" not in "".join(task.doc_md for task in dag.tasks)
        assert (dag.owner, sorted(dag.tags)) == ("ml", ["ml", "regime"])


def test_trigger_form_has_a_section_for_each_gate_with_help_and_bounds(dag: Any) -> None:
    fields = {name: dag.params.get_param(name) for name in dag.params}
    sections = [field.schema.get("section") for field in fields.values()]
    # Airflow opens what has no section, and nothing else.
    assert sections[:3] == [None, None, "Data gate"]
    assert set(sections[2:]) == {"Data gate", "Training and holdout", "Promotion gate"}
    assert all(field.description and field.schema["title"] for field in fields.values())
    accuracy = fields["min_accuracy"]
    # A field of text: what is typed arrives, and is refused where the run starts.
    assert accuracy.schema["anyOf"] == [{"type": kind} for kind in ("string", "number", "null")]
    told = "A number from 0 to 1; empty: the Variable, or else 0.65."
    assert accuracy.description.endswith(told)
