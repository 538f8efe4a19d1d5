"""The addresses a reader of a message may want to open, as far as they are known."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Final
from urllib.parse import quote

_VALIDATIONS: Final = "validations"
_DEPTH: Final = 5
"""Parts of a page's path in the Data Docs site: validations, suite, run, its time, file."""


def links_of_run(links: Mapping[str, str], page: str | None) -> dict[str, str]:
    """Adds the run's page in Airflow, and puts its own Data Docs page in the place of the index.

    Args:
        links: addresses by name, such as `Log` and `Data Docs`.
        page: path of the run's Data Docs page, if there is one.

    >>> links_of_run({"Log": "http://airflow/dags/d/runs/r/tasks/t?try_number=1"}, None)["Run"]
    'http://airflow/dags/d/runs/r'
    """
    run, tasks, _ = links.get("Log", "").rpartition("/tasks/")
    found = {"Run": run, **links} if tasks else dict(links)
    parts = PurePath(page or "").parts[-_DEPTH:]
    index = links.get("Data Docs", "")
    if index and parts[:1] == (_VALIDATIONS,):
        site = index.removesuffix("index.html").rstrip("/")
        found["Data Docs"] = "/".join((site, *(quote(part) for part in parts)))
    return found
