"""The pipeline's pages in the Airflow UI: where they stand, and the application that serves them.

Wiring only. Every part of Airflow imports this file; only the api-server asks for the application.
"""

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from pipeline.ui.addresses import PREFIX, address


class RegimePages(AirflowPlugin):
    """Adds the pages to the navigation; `pipeline.ui.explained` links those of a run."""

    name = "regime_pages"

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:
        """The application with the pages."""
        from pipeline.ui.pages import pages

        return [{"app": pages(), "url_prefix": PREFIX, "name": "Regime model"}]

    @cached_property
    def external_views(self) -> list[dict[str, Any]]:
        """The places in the UI."""
        return [
            _in_navigation("Data Docs", "data-docs/"),
            _in_navigation("Models", "models"),
            _in_navigation("Label next", "label-next"),
            _in_navigation("Production", "production"),
            _in_navigation("Replays", "replays"),
        ]


def _in_navigation(name: str, page: str) -> dict[str, Any]:
    route = name.lower().replace(" ", "-")
    return {
        "name": name,
        "href": address(page),
        "destination": "nav",
        "url_route": route,
        "nav_top_level": True,
        "icon": address(f"icon/{route}.svg"),
        "icon_dark_mode": address(f"icon/{route}.svg?dark=true"),
    }
