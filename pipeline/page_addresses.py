"""Addresses of the pipeline's pages in the Airflow UI."""

from typing import Final
from urllib.parse import urlsplit

from airflow.configuration import conf

PREFIX: Final = "/regime-model"
"""Where the api-server mounts the pages."""


def address(page: str) -> str:
    """The address of a page, below the path of `[api] base_url` where a proxy has put Airflow.

    Args:
        page: what follows the prefix, such as `data-docs/`.
    """
    return f"{_base()}{PREFIX}/{page}"


def dag_address(dag_id: str) -> str:
    """The address of a DAG in the UI, where it can be triggered."""
    return f"{_base()}/dags/{dag_id}"


def _base() -> str:
    return urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")
