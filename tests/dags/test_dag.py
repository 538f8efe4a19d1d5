"""The DAG file: its graph, its schedule, and that parsing it costs and needs nothing."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.filterwarnings("default")

DAG_FILE = Path("dags/regime_model_training.py")
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
def dag() -> Any:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(DAG_FILE), bundle_name="dags-folder", bundle_path=DAG_FILE.parent.resolve())
    assert bag.import_errors == {}
    return bag.dags["regime_model_training"]


def test_graph_is_the_workflow_of_the_readme(dag: Any) -> None:
    graph = {task.task_id: set(task.downstream_task_ids) for task in dag.tasks}
    assert graph == {
        "check_data": {"train_model", "validate_model"},
        "train_model": {"validate_model", "deploy_model", "notify_success"},
        "validate_model": {"approve_deployment", "skip_deployment"},
        "approve_deployment": {"deploy_model", "skip_deployment"},
        "deploy_model": {"notify_success"},
        "skip_deployment": {"notify_success"},
        "notify_success": set(),
    }


def test_schedule_is_sunday_at_two_utc_without_catchup(dag: Any) -> None:
    assert dag.timetable.expression == "0 2 * * 0"
    assert str(dag.timezone) == "UTC"
    assert (dag.catchup, dag.max_active_runs) == (False, 1)


def test_every_task_retries_three_times_with_backoff(dag: Any) -> None:
    for task in dag.tasks:
        assert (task.retries, task.retry_exponential_backoff) == (3, 2.0)
        assert task.retry_delay >= timedelta(seconds=30)


def test_permanent_failures_exist_and_are_not_retried() -> None:
    from airflow.sdk.module_loading import import_string

    from pipeline.retries import PERMANENT_FAILURES

    for name in PERMANENT_FAILURES:
        assert issubclass(import_string(name), Exception)


def _python(code: str) -> subprocess.CompletedProcess[str]:
    bare = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW_CONN_")}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=bare
    )


def test_importing_the_dag_loads_no_heavy_package() -> None:
    code = (
        "import sys, runpy; sys.path.insert(0, 'dags'); import regime_model_training; "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
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


@pytest.mark.parametrize(
    ("module", "foreign"),
    [
        ("data_check", ("sklearn.ensemble", "apprise")),
        ("model_training", ("great_expectations", "apprise")),
        ("model_deployment", ("great_expectations", "sklearn", "apprise", "clickhouse_driver")),
        ("outcome", ("great_expectations", "sklearn", "clickhouse_driver", "onnxruntime")),
    ],
)
def test_task_imports_only_what_it_uses(module: str, foreign: tuple[str, ...]) -> None:
    code = (
        f"import sys; import pipeline.{module}; "
        f"print([name for name in {foreign!r} if name in sys.modules])"
    )
    assert _python(code).stdout.strip().splitlines()[-1] == "[]"
