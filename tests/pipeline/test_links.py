"""Addresses in messages: they lead to what the run has by then, and to nothing else."""

from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest

from pipeline.ui.addresses import links_of_run, links_of_task

RUN = "scheduled__2026-11-22T02:00:00+00:00"
PAGE = "/data_docs/validations/regimes/run 1/20261122T020000.000000Z/abc.html"


@pytest.fixture(autouse=True)
def _airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/af/")


def _task(task_id: str, dag_id: str = "regime_model_training") -> SimpleNamespace:
    return SimpleNamespace(dag_id=dag_id, run_id=RUN, task_id=task_id, log_url="https://log")


@pytest.mark.parametrize(
    ("task_id", "page", "names"),
    [
        ("check_data", None, ["Run", "Log", "Models"]),
        ("check_data", PAGE, ["Run", "Log", "Data Docs", "Models"]),
        ("train_model", None, ["Run", "Log", "Data Docs", "Models"]),
        ("deploy_model", None, ["Run", "Log", "Data Docs", "Report", "Models"]),
        ("notify_success", PAGE, ["Run", "Log", "Data Docs", "Report", "Models"]),
    ],
)
def test_links_of_task_name_what_the_run_has_by_then(
    task_id: str, page: str | None, names: list[str]
) -> None:
    assert list(links_of_task(_task(task_id), page)) == names


def test_links_of_task_lead_below_the_path_of_airflow_and_keep_the_run_id() -> None:
    links = links_of_task(_task("notify_success"))
    for name, path in (("Data Docs", "data-docs/run"), ("Report", "report")):
        address = urlsplit(links[name])
        assert (address.netloc, address.path) == ("airflow.example", f"/af/regime-model/{path}")
        assert parse_qs(address.query) == {"run_id": [RUN], "dag_id": ["regime_model_training"]}
    assert links["Run"].endswith(
        "/af/dags/regime_model_training/runs/" + RUN.replace(":", "%3A").replace("+", "%2B")
    )


@pytest.mark.parametrize("site", ["https://docs", "https://docs/", "https://docs/index.html"])
def test_links_of_task_lead_to_the_runs_own_page_on_a_site_of_ones_own(
    site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_DATA_DOCS_URL", site)
    address = "https://docs/validations/regimes/run%201/20261122T020000.000000Z/abc.html"
    assert links_of_task(_task("check_data"), PAGE)["Data Docs"] == address
    assert links_of_task(_task("deploy_model"))["Data Docs"] == site


def test_links_of_rollback_lead_to_the_models() -> None:
    links = links_of_task(_task("notify_rollback", "regime_model_rollback"))
    assert list(links) == ["Run", "Log", "Models"]
    assert links["Models"] == "https://airflow.example/af/regime-model/models"


def test_links_of_run_need_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW__API__BASE_URL")
    assert links_of_run("d", "r") == {"Run": "http://localhost:8080/dags/d/runs/r"}
