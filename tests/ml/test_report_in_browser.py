"""The report as a person sees it: in a real browser, from a file, with the network closed."""

import os
from pathlib import Path

import pytest

from ml.report.pages import html_report
from tests.faint_text import FAINT_TEXT
from tests.ml.report_example import example_metrics

pytestmark = pytest.mark.slow

SHOTS = os.environ.get("REPORT_SCREENSHOTS")
"""Folder to keep the screenshots in, for people to look at."""


@pytest.fixture
def open_report(chromium, tmp_path):
    """Opens a report at a width; gives the page, its requests and what its console said."""
    contexts = []

    def open_at(metrics, width=1400, scheme="light"):
        file = tmp_path / "report.html"
        file.write_bytes(html_report(metrics))
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
        )
        contexts.append(context)
        page, requests, said = context.new_page(), [], []
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(file.as_uri(), wait_until="networkidle")
        assert requests == [file.as_uri()]
        assert said == []
        return page

    yield open_at
    for context in contexts:
        context.close()


def keep(page, name):
    content = page.screenshot(full_page=True)
    assert content.startswith(b"\x89PNG")
    if SHOTS:
        Path(SHOTS, f"{name}.png").write_bytes(content)


STATES = {
    "deployed": {"deployed_at": "2026-11-22T02:15:00+00:00"},
    "not-deployed": {"deploy": False},
    "not-judged": {"judged": False},
}


@pytest.mark.points
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("state", sorted(STATES))
def test_report_at_each_width_fits_and_asks_for_nothing(open_report, state, width, scheme):
    page = open_report(example_metrics(**STATES[state]), width, scheme)
    keep(page, f"{state}-{width}-{scheme}")

    assert page.evaluate("document.documentElement.scrollWidth") == width
    # What is cut off inside a scrolling table would be out of a person's sight.
    wider = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth)"
    assert page.evaluate(f"{wider}.map(e => e.ariaLabel)") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_style_sheet_is_let_through_by_the_policy(open_report, scheme):
    page = open_report(example_metrics(), scheme=scheme)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert background == {"light": "rgb(248, 250, 253)", "dark": "rgb(22, 29, 45)"}[scheme]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_background(open_report, scheme):
    page = open_report(example_metrics(deploy=False), 390, scheme)

    assert page.evaluate(FAINT_TEXT) == []


def test_report_is_walked_by_keyboard(open_report):
    page = open_report(example_metrics())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.wait_for_url("**#verdict")

    summary = page.get_by_text("entries of metrics.json")
    summary.focus()
    page.keyboard.press("Enter")
    assert page.get_by_role("row", name="settings.trees 200").is_visible()


def test_screen_reader_finds_headings_tables_and_pictures_with_names(open_report):
    page = open_report(example_metrics(deploy=False))

    assert page.get_by_role("heading", level=1).all_inner_texts() == ["Kept"]
    assert page.get_by_role("region", name="Accuracy over the holdout's time").is_visible()
    for chart in page.get_by_role("img").all():
        assert chart.get_attribute("aria-label")
    assert page.get_by_role("columnheader", name="Precision").is_visible()
    assert page.get_by_role("rowheader", name="breakout").first.is_visible()


def test_hostile_names_run_no_script(open_report):
    evil = '"><img src=x onerror="document.title=1"><script>document.title=2</script>'
    metrics = example_metrics()
    metrics["run_id"] = metrics["per_symbol"][0]["symbol"] = evil
    page = open_report(metrics, 390)

    assert page.title().startswith("Passed")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
