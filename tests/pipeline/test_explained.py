"""What people read on the pages of a DAG and its tasks."""

import re

from airflow.sdk import DAG
from airflow.sdk.bases.operator import BaseOperator

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
