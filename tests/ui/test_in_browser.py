"""The pages as a person sees them: in the Airflow UI, in a real browser, at two widths."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.dags.small_models import START, WEEK, deploy, small_candidates
from tests.services.scheduler import USER, token_of
from tests.ui.conftest import DAG, VIEWER, Ui

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]

SHOTS = os.environ.get("UI_SCREENSHOTS")
"""Folder to keep the screenshots in, for people to look at."""
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def shown(ui: Ui) -> Ui:
    """With former models, so that there is a history."""
    for week, candidate in enumerate(small_candidates(3)):
        deploy(ui.home.models, candidate, START + week * WEEK)
    return ui


@pytest.fixture
def open_page(chromium: Any, shown: Ui) -> Iterator[Open]:
    """Opens a path of the UI, logged in; gives the page after proving that it ran no mishap."""
    contexts = []

    def open_at(path: str, width: int = 1400, scheme: str = "light", user: str = USER) -> Any:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        contexts.append(context)
        address = shown.airflow.address
        token = token_of(address, user)
        context.add_cookies([{"name": "_token", "value": token, "url": address}])
        page, said, asked = context.new_page(), [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}/{path}", wait_until="networkidle")
        if path.startswith("regime-model/"):
            assert said == []
            assert all(url.startswith((f"{address}/", "data:")) for url in asked)
        return page

    yield open_at
    for context in contexts:
        context.close()


def _keep(page: Any, name: str) -> None:
    content = page.screenshot(full_page=True)
    if SHOTS:
        Path(SHOTS, f"{name}.png").write_bytes(content)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_models_page_fits_its_width(open_page: Open, width: int, scheme: str) -> None:
    page = open_page("regime-model/models", width, scheme)
    _keep(page, f"models-{width}-{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(246, 247, 249)", "dark": "rgb(15, 18, 23)"}[scheme]


@pytest.mark.parametrize("width", [1400, 390])
def test_notice_fits_its_width(open_page: Open, width: int) -> None:
    page = open_page("regime-model/report?run_id=none", width)
    _keep(page, f"notice-{width}")
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_models_page_has_names_for_a_screen_reader_and_is_walked_by_keyboard(
    open_page: Open,
) -> None:
    page = open_page("regime-model/models")
    assert page.get_by_role("heading", level=1).all_inner_texts() == ["In production"]
    assert page.get_by_role("img", name="Accuracy of each run").count() == 1
    assert page.get_by_role("columnheader", name="Verdict").is_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/report?run_id=*")
    assert page.get_by_role("heading", level=1).is_visible()


@pytest.mark.parametrize(("name", "route"), [("Data Docs", "data-docs"), ("Models", "models")])
def test_navigation_leads_a_viewer_to_the_page(open_page: Open, name: str, route: str) -> None:
    page = open_page("", user=VIEWER)
    page.get_by_test_id("nav-sidebar").get_by_role("link", name=name, exact=True).click()
    page.wait_for_url(f"**/plugin/{route}**")
    heading = {"data-docs": "Runs of the data gate", "models": "In production"}[route]
    page.frame_locator("iframe").get_by_role("heading", name=heading).wait_for()
    _keep(page, f"navigation-{route}")


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize(
    ("task", "name", "seen"),
    [
        ("", "Data Docs", "Rules"),
        ("", "Report", "Deployed"),
        ("/tasks/check_data", "Data Docs", "Rules"),
        ("/tasks/train_model", "Report", "Deployed"),
    ],
)
def test_tab_shows_the_runs_page(
    open_page: Open, ui: Ui, task: str, name: str, seen: str, width: int
) -> None:
    page = open_page(f"dags/{DAG}/runs/{quote(ui.run_id)}{task}", width)
    page.get_by_test_id("main-content").get_by_role("link", name=name, exact=True).click()
    frame = page.frame_locator("iframe")
    frame.get_by_role("heading", name=seen).first.wait_for()
    _keep(page, f"tab{task.replace('/', '-')}-{name.replace(' ', '-')}-{width}")
