"""The pipeline's pages in the Airflow UI: where they stand, and the application that serves them.

Wiring only. Every part of Airflow imports this file; only the api-server asks for the application.
"""

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from pipeline.ui.addresses import PREFIX, address

_OF_RUN = "?run_id={RUN_ID}&dag_id={DAG_ID}"


class RegimePages(AirflowPlugin):
    """Adds the pages to the navigation, to runs and to tasks."""

    name = "regime_pages"

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:
        """The application with the pages."""
        from pipeline.ui.pages import pages

        return [{"app": pages(), "url_prefix": PREFIX, "name": "Regime model"}]

    @cached_property
    def external_views(self) -> list[dict[str, Any]]:
        """The places in the UI; Airflow fills in the names in braces."""
        return [
            _in_navigation("Data Docs", "data-docs/") | _icon("data-docs"),
            _in_navigation("Models", "models") | _icon("models"),
            _in_navigation("Label next", "label-next") | _icon("label-next"),
            _in_navigation("Production", "production") | _icon("production"),
            _in_navigation("Replays", "replays") | _icon("replays"),
            *_tabs("Data Docs", "data-docs/run"),
            *_tabs("Report", "report"),
        ]


def _in_navigation(name: str, page: str) -> dict[str, Any]:
    return {
        "name": name,
        "href": address(page),
        "destination": "nav",
        "url_route": _route(name),
        "nav_top_level": True,
    }


def _icon(name: str) -> dict[str, str]:
    return {"icon": address(f"icon/{name}.svg")}


def _tabs(name: str, page: str) -> list[dict[str, Any]]:
    """A tab of runs and a tab of tasks; Airflow shows it on those of every DAG."""
    return [
        {
            "name": name,
            "href": address(page) + _OF_RUN,
            "destination": destination,
            "url_route": f"{_route(name)}-of-{destination}",
        }
        for destination in ("dag_run", "task_instance")
    ]


def _route(name: str) -> str:
    return name.lower().replace(" ", "-")
