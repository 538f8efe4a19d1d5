"""The pages as a person sees them: in the Airflow UI, in a real browser, at two widths."""

from typing import Any
from urllib.parse import quote

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.airflow.conftest import DAG, VIEWER, Open, Place, keep

pytestmark = [
    pytest.mark.filterwarnings("default"),
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("shown"),
]
GROUNDS = {"light": "rgb(248, 250, 253)", "dark": "rgb(22, 29, 45)"}
"""What our pages stand on in each theme."""


@pytest.fixture(scope="module")
def shown(ui: Place, market: pd.DataFrame) -> Place:
    """With two runs: the second's model has replaced the first, as two regimes swapped names."""
    names = {"trend_up": "trend_down", "trend_down": "trend_up"}
    ui.home.load(market.assign(regime_label=market["regime_label"].replace(names)))
    ui.deploy()
    return ui


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_models_page_fits_its_width(open_page: Open, width: int, scheme: str) -> None:
    page = open_page("regime-model/models", width, scheme)
    keep(page, f"models-{width}-{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == GROUNDS[scheme]


@pytest.mark.parametrize("width", [1400, 390])
def test_notice_fits_its_width(open_page: Open, width: int) -> None:
    page = open_page("regime-model/report?run_id=none", width)
    keep(page, f"notice-{width}")
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_models_page_has_names_for_a_screen_reader_and_is_walked_by_keyboard(
    open_page: Open,
) -> None:
    page = open_page("regime-model/models")
    (last,) = page.get_by_role("heading", level=1).all_inner_texts()
    assert last.endswith(": Deployed")
    assert page.get_by_role("heading", level=2, name="In production").is_visible()
    assert page.get_by_role("img", name="Accuracy of each run").count() == 1
    assert page.get_by_role("columnheader", name="Came to").is_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/report?run_id=*")
    assert page.get_by_role("heading", level=1).is_visible()


@pytest.mark.parametrize(
    ("name", "route"),
    [
        ("Data Docs", "data-docs"),
        ("Models", "models"),
        ("Production", "production"),
        ("Label next", "label-next"),
    ],
)
def test_navigation_leads_a_viewer_to_the_page(open_page: Open, name: str, route: str) -> None:
    page = open_page("", user=VIEWER)
    page.get_by_test_id("nav-sidebar").get_by_role("link", name=name, exact=True).click()
    page.wait_for_url(f"**/plugin/{route}**")
    heading = {
        "data-docs": "Runs of the data gate",
        "models": "In production",
        "production": "Not watched yet",
        "label-next": "Nothing to label next",
    }[route]
    page.frame_locator("iframe").get_by_role("heading", name=heading).wait_for()
    keep(page, f"navigation-{route}")


@pytest.mark.points
@pytest.mark.parametrize(
    ("task", "name", "seen"),
    [
        ("check_data", "Data Docs", "Rules"),
        ("train_model", "Report", "Deployed"),
        ("deploy_model", "Report", "Deployed"),
    ],
)
def test_button_of_a_task_leads_to_the_runs_page(
    open_page: Open, shown: Place, task: str, name: str, seen: str
) -> None:
    page = open_page(f"dags/{DAG}/runs/{quote(shown.run_id)}/tasks/{task}/details")
    page.get_by_test_id("main-content").get_by_role("link", name=name, exact=True).click()
    page.get_by_role("heading", name=seen).first.wait_for()
    keep(page, f"button-{task}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_follows_what_its_reader_chooses_in_airflow_and_not_the_system(
    open_page: Open, scheme: str
) -> None:
    other = {"light": "dark", "dark": "light"}[scheme]
    page = open_page("plugin/models", scheme=other)
    body = page.frame_locator("iframe").locator("body")
    body.locator("h1").wait_for()
    grounds = [body.evaluate("body => getComputedStyle(body).backgroundColor")]
    page.get_by_role("button", name="User").click()
    page.get_by_role("menuitem", name="Appearance").click()
    page.get_by_role("menuitemradio", name=f"{scheme.title()} Mode").click()
    page.locator(f"html.{scheme}").wait_for(state="attached")
    grounds.append(body.evaluate("body => getComputedStyle(body).backgroundColor"))
    assert grounds == [GROUNDS[other], GROUNDS[scheme]]
    keep(page, f"theme-{scheme}")
    page.goto(page.frames[1].url)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == GROUNDS[scheme]


PAGES = ("data-docs/", "data-docs/run?run_id={run}", "report?run_id={run}", "models", "production")
NOTICES = ("report?run_id=none", "data-docs/run?run_id=none", "report?dag_id=other")


@pytest.mark.points
@pytest.mark.parametrize("page", [*PAGES, *NOTICES])
def test_page_shuts_nobody_out(open_page: Open, shown: Place, page: str) -> None:
    path = f"regime-model/{page.format(run=quote(shown.run_id))}"
    for width, scheme in ((1400, "light"), (390, "dark")):
        opened = open_page(path, width, scheme)
        opened.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
        found = Axe().run(opened).response["violations"]
        bad = [
            (rule["id"], rule["impact"], node["target"], node["failureSummary"])
            for rule in found
            if rule["impact"] in {"serious", "critical"}
            for node in rule["nodes"]
        ]
        assert bad == [], f"{page} at {width}, {scheme}"


def test_reader_who_may_not_roll_back_is_shown_no_link_to_it(open_page: Open) -> None:
    page = open_page("regime-model/models", user=VIEWER)
    assert page.get_by_role("heading", name="Models to go back to").is_visible()
    assert page.get_by_role("link", name="Go back to this model").count() == 0


@pytest.mark.full
def test_admin_goes_back_to_the_former_model_from_its_page(open_page: Open, shown: Place) -> None:
    former, live = shown.run_id, _production(shown)
    assert former != live
    page = open_page("plugin/models")
    frame = page.frame_locator("iframe")
    row = frame.get_by_role("row").filter(has_text=former).filter(has_text="Go back")
    backup = row.locator(".pick").inner_text()
    row.get_by_role("link", name="Go back to this model").click()
    _trigger(frame, None, "element_to", backup)
    run_id = _watched_to_its_end(open_page, shown, "regime_model_rollback")
    assert shown.airflow.get(f"dags/regime_model_rollback/dagRuns/{run_id}")["conf"]["to"] == backup
    assert _production(shown) == former
    frame = open_page("plugin/models").frame_locator("iframe")
    production = frame.get_by_role("region", name="In production")
    production.get_by_text(former).wait_for()
    replaced = frame.get_by_role("row").filter(has_text=live).filter(has_text="Go back")
    assert replaced.get_by_text("sound").count() == 1


@pytest.mark.full
def test_run_started_with_a_higher_floor_is_reported_as_not_deployed(
    open_page: Open, shown: Place
) -> None:
    page, live = open_page(f"dags/{DAG}"), _production(shown)
    _trigger(page, "Promotion gate", "element_min_accuracy", "0.99")
    run_id = _watched_to_its_end(open_page, shown, DAG)
    page = open_page(f"regime-model/report?run_id={quote(run_id)}")
    assert page.get_by_role("heading", level=1).inner_text() == "Kept"
    assert "99.0%" in page.locator(".reasons").inner_text()
    assert _production(shown) == live


def _production(shown: Place) -> str:
    return str(shown.home.metrics()["run_id"])


def _trigger(place: Any, section: str | None, field: str, value: str) -> None:
    """Fills in one field of Airflow's form and starts the run."""
    place.get_by_test_id("trigger-dag-button").first.click()
    form = place.get_by_role("dialog")
    if section:
        form.get_by_role("button", name=section).click()
    form.locator(f"[name={field}]").fill(value)
    form.locator(f"[name={field}]").blur()
    form.get_by_role("button", name="Trigger", exact=True).click()
    form.wait_for(state="hidden")


def _watched_to_its_end(open_page: Open, shown: Place, dag_id: str) -> str:
    """Watches the newest run in the UI until it has succeeded; its id."""
    newest = f"dags/{dag_id}/dagRuns?order_by=-id&limit=1"
    run_id = str(shown.airflow.get(newest)["dag_runs"][0]["dag_run_id"])
    page = open_page(f"dags/{dag_id}/runs/{quote(run_id)}")
    state = page.get_by_test_id("header-card").get_by_test_id("state-badge")
    state.filter(has_text="Success").wait_for(timeout=180_000)
    return run_id
