"""Addresses of the pipeline's pages, and of runs, in the Airflow UI."""

from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from airflow.configuration import conf

PREFIX: Final = "/regime-model"
"""Where the api-server mounts the pages."""


def address(page: str) -> str:
    """The address of a page, below the path of `[api] base_url` where a proxy has put Airflow.

    Args:
        page: what follows the prefix, such as `data-docs/`.
    """
    return f"{urlsplit(_base()).path}{PREFIX}/{page}"


def dag_address(dag_id: str) -> str:
    """The address of a DAG in the UI, where it can be triggered, below that path."""
    return f"{urlsplit(_base()).path}/dags/{quote(dag_id)}"


def models_page() -> str:
    """The whole address of the page of all models."""
    return f"{_base()}{PREFIX}/models"


def page_of_run(page: str, dag_id: str, run_id: str) -> str:
    """The whole address of the page of a run.

    Args:
        page: such as `report`.
        dag_id: the run's DAG.
        run_id: the run.
    """
    return f"{_base()}{PREFIX}/{page}?{urlencode({'run_id': run_id, 'dag_id': dag_id})}"


def run_in_airflow(dag_id: str, run_id: str) -> str:
    """The whole address of a run's page, which is Airflow's own."""
    return f"{_base()}/dags/{quote(dag_id)}/runs/{quote(run_id)}"


def _base() -> str:
    """Where people reach Airflow, without a slash at its end."""
    return str(conf.get("api", "base_url", fallback="") or "http://localhost:8080").rstrip("/")
