"""What people read on the pages of a DAG and its tasks."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.bases.operator import BaseOperator

from expectations.run_record import folder_of_run
from ml.registry.names import candidate_folder
from pipeline.thresholds import THRESHOLDS
from pipeline.ui.explained import explained


def test_task_shows_its_settings_with_their_defaults() -> None:
    with DAG("regime_model_training") as dag:
        BaseOperator(task_id="check_data")
        BaseOperator(task_id="validate_model")
    explained(dag)
    gate, verdict = (dag.get_task(name).doc_md for name in ("check_data", "validate_model"))
    assert "| `MIN_LABELED_SAMPLES` | 300 | Fewest labelled samples. |" in gate
    assert "| `MIN_ACCURACY` | 0.65 | Lowest accuracy to deploy. |" in verdict
    assert "MIN_ACCURACY" not in gate


def test_every_threshold_stands_on_the_page_of_one_task() -> None:
    with DAG("regime_model_training") as dag:
        for name in ("check_data", "train_model", "validate_model"):
            BaseOperator(task_id=name)
    explained(dag)
    rows = [row for task in dag.tasks for row in re.findall(r"^\| `(\w+)` \|", task.doc_md, re.M)]
    assert sorted(rows) == sorted(name.upper() for name in THRESHOLDS)


def test_dag_and_task_of_ones_own_keep_what_they_say() -> None:
    with DAG("ours", doc_md="Our DAG") as dag:
        BaseOperator(task_id="restart", doc_md="Restarts")
    explained(dag)
    assert (dag.doc_md, dag.get_task("restart").doc_md) == ("Our DAG", "Restarts")


def test_button_is_there_where_the_page_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, folder in {"MODELS_DIR": "models", "DATA_DOCS_DIR": "docs"}.items():
        monkeypatch.setenv(f"AIRFLOW_VAR_{name}", str(tmp_path / folder))
    with DAG("regime_model_training") as dag:
        tasks = [BaseOperator(task_id=name) for name in ("check_data", "train_model")]
    explained(dag)
    key = SimpleNamespace(dag_id=dag.dag_id, run_id="r 1")
    assert _buttons(tasks, key) == {"Data Docs": "", "Report": ""}
    page = tmp_path / "docs/validations/suite" / folder_of_run("r 1") / "time/page.html"
    report = tmp_path / "models" / candidate_folder("r 1") / "report.html"
    for file in (page, report):
        file.parent.mkdir(parents=True)
        file.write_text("<p>it", encoding="utf-8")
    of_run = "run_id=r+1&dag_id=regime_model_training"
    assert _buttons(tasks, key) == {
        "Data Docs": f"http://localhost:8080/regime-model/data-docs/run?{of_run}",
        "Report": f"http://localhost:8080/regime-model/report?{of_run}",
    }


def _buttons(tasks: list[BaseOperator], key: Any) -> dict[str, str]:
    links = [link for task in tasks for link in task.operator_extra_links]
    return {link.name: link.get_link(tasks[0], ti_key=key) for link in links}
