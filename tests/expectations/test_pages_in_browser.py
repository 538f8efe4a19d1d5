"""Data Docs as a person sees them: in a real browser, from files, with the network closed."""

import functools
import http.server
import os
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from clickhouse.engine import open_engine
from clickhouse.schema import apply_schema
from tests.expectations.judged_runs import EVIL, RUNS, STARTED, judge_run
from tests.faint_text import FAINT_TEXT

SHOTS = os.environ.get("DATA_DOCS_SCREENSHOTS")
"""Folder to keep the screenshots in, for people to look at."""

VERDICTS = {
    "passed": "Passed",
    "warned": "Passed with 2 warnings",
    "rejected": "Rejected: 2 of 19 rules",
    "open": "No verdict: 7 rules could not run",
    "empty": "No verdict: there are no rules",
}
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A site with a run for each verdict: pages by name, and the index."""
    folder = tmp_path_factory.mktemp("site")
    engine = open_engine(f"clickhouse+chdb:///default?path={folder / 'clickhouse'}")
    apply_schema(engine)
    url = engine.url.render_as_string(hide_password=False)
    pages = {"index": folder / "docs" / "index.html"}
    for hours, (name, rules) in enumerate(RUNS.items()):
        started = STARTED + timedelta(hours=hours, seconds=30)
        run_id = f"manual__{started.isoformat()}"
        page = judge_run(folder / "docs", url, rules, run_id, started).path
        assert page is not None
        pages[name] = page
    engine.dispose()
    return pages


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Open]:
    """Opens a file at a width; the test fails if it asks for anything else or complains."""
    contexts, asked, said = [], [], []

    def open_at(address: Path | str, width: int = 1400, scheme: str = "light") -> Any:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        contexts.append(context)
        page = context.new_page()
        page.route("**/*", lambda route: _answer(route, asked))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(address.as_uri() if isinstance(address, Path) else address)
        page.wait_for_load_state("networkidle")
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert [url for url in asked if not url.startswith(("file:///", "http://127.0.0.1"))] == []
    assert said == []


def _answer(route: Any, asked: list[str]) -> None:
    asked.append(route.request.url)
    if route.request.url.startswith(("file:///", "http://127.0.0.1")):
        route.continue_()
    else:
        route.abort()


@pytest.mark.points
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("name", ["index", *RUNS])
def test_page_at_each_width_fits_and_is_readable(
    open_page: Open, site: dict[str, Path], tmp_path: Path, name: str, width: int, scheme: str
) -> None:
    page = open_page(site[name], width, scheme)
    for summary in page.locator("summary").all():
        summary.click()
    shot = page.screenshot(full_page=True, path=tmp_path / "page.png")
    if SHOTS:
        Path(SHOTS, f"{name}-{width}-{scheme}.png").write_bytes(shot)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(_CUT_OFF) == []
    assert page.evaluate(FAINT_TEXT) == []


@pytest.mark.parametrize("name", VERDICTS)
def test_page_says_the_verdict_first_and_leads_back(
    open_page: Open, site: dict[str, Path], name: str
) -> None:
    page = open_page(site[name])
    assert page.get_by_role("heading", level=1).all_inner_texts() == [VERDICTS[name]]
    page.get_by_role("link", name="All runs").first.click()
    assert page.get_by_role("heading", level=1).inner_text() == "Runs of the data gate"


def test_index_links_each_run_newest_first(open_page: Open, site: dict[str, Path]) -> None:
    page = open_page(site["index"])
    rows = page.get_by_role("row").all()[1:]
    assert [row.get_by_role("cell").nth(1).inner_text() for row in rows[1:]] == [
        *reversed(VERDICTS.values())
    ]
    page.get_by_role("link", name="manual__2026-11-22T02:00:30+00:00").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Passed"


def test_index_below_a_path_of_a_server_links_each_run(
    open_page: Open, site: dict[str, Path]
) -> None:
    root = site["index"].parents[1]
    handler = functools.partial(_Quiet, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = open_page(f"http://127.0.0.1:{server.server_port}/docs/index.html")
        page.get_by_role("link", name="manual__2026-11-22T02:00:30+00:00").click()
        assert page.get_by_role("heading", level=1).inner_text() == "Passed"
        page.get_by_role("link", name="All runs").first.click()
        assert page.get_by_role("heading", level=1).inner_text() == "Runs of the data gate"
        server.shutdown()


def test_stored_script_does_not_run(open_page: Open, site: dict[str, Path]) -> None:
    page = open_page(site["hostile"])
    assert page.title().startswith("No verdict")
    assert page.evaluate("document.querySelectorAll('img, body script, [onerror]').length") == 0


def test_policy_stops_a_script_that_got_in(
    chromium: Any, site: dict[str, Path], tmp_path: Path
) -> None:
    html = site["passed"].read_text(encoding="utf-8")
    spoiled = tmp_path / "page.html"
    spoiled.write_text(html.replace("<main>", f"<main>{EVIL}", 1), encoding="utf-8")
    page = chromium.new_page()
    page.goto(spoiled.as_uri())
    assert page.locator("img").count() == 1
    assert page.title().startswith("Passed")
    page.close()


def test_details_are_opened_by_keyboard(open_page: Open, site: dict[str, Path]) -> None:
    page = open_page(site["passed"])
    page.get_by_text("Show all").focus()
    page.keyboard.press("Enter")
    assert page.get_by_role("rowheader", name="known labels").is_visible()


def test_screen_reader_finds_landmarks_headings_and_tables(
    open_page: Open, site: dict[str, Path]
) -> None:
    page = open_page(site["rejected"])
    assert page.get_by_role("main").is_visible()
    assert page.get_by_role("heading", level=2).all_inner_texts() == [
        "These rules do not hold",
        "Class balance",
        "Warnings",
        "Rules that hold",
        "Thresholds and snapshot",
    ]
    assert page.get_by_role("columnheader", name="Labels missing").is_visible()
    assert page.get_by_role("rowheader", name="breakout").is_visible()
    assert page.get_by_role("table", name="Rows to look at").count() == 2


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Says nothing: the browser's requests are counted in the browser."""


_CUT_OFF = """() => [...document.querySelectorAll('main *')].filter(element => {
  if (!element.checkVisibility() || element.closest('svg, .scroll, thead')) return false;
  const style = getComputedStyle(element), around = element.parentElement;
  const edge = around.getBoundingClientRect().right
    - parseFloat(getComputedStyle(around).paddingRight);
  const wide = element.tagName === 'TABLE' && element.getBoundingClientRect().right > edge + 1;
  return wide || style.display !== 'inline' && element.scrollWidth > element.clientWidth + 1;
}).map(element => `${element.tagName} ${element.className}: ${element.textContent.slice(0, 60)}`)"""
"""What is wider than its place, outside of what is made to scroll."""
