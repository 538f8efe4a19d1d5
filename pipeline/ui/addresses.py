"""Addresses of the pipeline's pages, of runs, and of what a message may link to."""

from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from airflow.configuration import conf

from ml.errors import decoration
from pipeline.dag_defaults import TRAINING, WATCH
from pipeline.settings import read_text

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


def production_page() -> str:
    """The whole address of the page of the model that trades."""
    return f"{_base()}{PREFIX}/production"


def label_link(told: object) -> dict[str, str]:
    """The whole address of the page of rows to label next, by its name, if a message names it."""
    with decoration("The link to the rows to label next"):
        return {"Label next": f"{_base()}{PREFIX}/label-next"} if told else {}
    return {}


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


_VALIDATIONS: Final = "validations"
_DEPTH: Final = 5
"""Parts of a page's path in the Data Docs site: validations, suite, run, its time, file."""
_WITHOUT_REPORT: Final = frozenset({"check_data", "train_model"})
"""Tasks that fail before there is a report."""


def links_of_run(dag_id: str, run_id: str) -> dict[str, str]:
    """The address of a run in Airflow, by its name."""
    return {"Run": run_in_airflow(dag_id, run_id)}


def links_of_task(task: Any, page: str | None = None, decided: str | None = None) -> dict[str, str]:
    """The addresses of a run, of a task's log and of what the run has written, by their names.

    Args:
        task: Airflow's task instance.
        page: path of the Data Docs page the run has written, if known.
        decided: the task whose log says why it came so, if that is another.
    """
    links: dict[str, str] = {}
    with decoration("A link"):
        run = run_in_airflow(task.dag_id, task.run_id)
        links |= {"Run": run, "Log": f"{run}/tasks/{decided}" if decided else task.log_url}
        if task.dag_id == WATCH:
            return {"Production": production_page(), **links}
        if task.dag_id == TRAINING:
            if page or task.task_id != "check_data":
                with decoration("The link to the Data Docs"):
                    links["Data Docs"] = _data_docs(task, page)
            if task.task_id not in _WITHOUT_REPORT:
                links["Report"] = page_of_run("report", task.dag_id, task.run_id)
        links["Models"] = models_page()
    return links


def _data_docs(task: Any, page: str | None) -> str:
    """The run's page in the Airflow UI, or on the site that DATA_DOCS_URL names."""
    site = read_text("DATA_DOCS_URL")
    if not site:
        return page_of_run("data-docs/run", task.dag_id, task.run_id)
    parts = PurePath(page or "").parts[-_DEPTH:]
    if parts[:1] != (_VALIDATIONS,):
        return str(site)
    return "/".join((site.removesuffix("index.html").rstrip("/"), *map(quote, parts)))
