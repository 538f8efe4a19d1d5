"""The pipeline's pages in the Airflow UI: where they stand, and the application that serves them.

Wiring only. Every part of Airflow imports this file; only the api-server asks for the application.
"""

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from pipeline.page_addresses import PREFIX, address

_OF_RUN = "run_id={RUN_ID}&dag_id={DAG_ID}"


class RegimePages(AirflowPlugin):
    """Adds the pages to the navigation, to runs and to tasks."""

    name = "regime_pages"

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:
        """The application with the pages."""
        from pipeline.pages import pages

        return [{"app": pages(), "url_prefix": PREFIX, "name": "Regime model"}]

    @cached_property
    def external_views(self) -> list[dict[str, Any]]:
        """The places in the UI; Airflow fills in the names in braces."""
        data_docs = address("data-docs/run?") + _OF_RUN
        return [
            {
                "name": "Data Docs",
                "href": address("data-docs/"),
                "destination": "nav",
                "url_route": "data-docs",
                "nav_top_level": True,
            },
            {
                "name": "Data Docs",
                "href": data_docs,
                "destination": "dag_run",
                "url_route": "data-docs-of-run",
            },
            {
                "name": "Data Docs",
                "href": data_docs + "&task_id={TASK_ID}",
                "destination": "task_instance",
                "url_route": "data-docs-of-task",
            },
        ]
