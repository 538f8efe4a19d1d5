"""Data Docs on disk: what stands on a page, the index, what is forgotten, and what never leaks."""

import json
import multiprocessing
import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote

import great_expectations.expectations as gxe
import pandas as pd
import pytest
from sqlalchemy import Engine

from clickhouse.engine import open_engine
from clickhouse.schema import apply_schema
from expectations.docs import site as docs_site
from expectations.docs.context import DocsPage, open_context, publish
from expectations.run_record import read_record
from expectations.severity import critical
from tests.expectations.judged_runs import (
    EVIL,
    FINGERPRINT,
    RUN_ID,
    RUNS,
    STARTED,
    judge_run,
    rule,
    store_run,
)
from tests.services.server import PASSWORDS, GivenServer, Server

Judged = Callable[..., DocsPage]


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    return tmp_path / "docs"


@pytest.fixture
def judged(engine: Engine, docs: Path) -> Judged:
    """Judges the empty table by given rules and publishes the run."""

    def run(*rules: object, **about: object) -> DocsPage:
        return judge_run(docs, _url(engine), rules, **about)  # type: ignore[arg-type]

    return run


@pytest.fixture
def broken_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the page of a run, not the index, something that cannot be rendered."""

    def render(*_: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(docs_site, "run_page", render)


def _url(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def _text(page: Path | None) -> str:
    """What a person reads, on one line."""
    assert page is not None
    html = page.read_text(encoding="utf-8").partition("<body>")[2]
    return " ".join(re.sub(r"<wbr>", "", html).replace("<", " <").replace(">", "> ").split())


def _words(page: Path | None) -> str:
    return " ".join(re.sub(r"<[^>]*>", "", _text(page)).split())


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _links(docs: Path) -> list[str]:
    return re.findall(r'<a href="([^"]+)"', (docs / "index.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("name", "verdict", "next_step"),
    [
        ("passed", "Passed", "Nothing to do"),
        ("warned", "Passed with 2 warnings", "Look at the warnings below"),
        ("rejected", "Rejected: 2 of 19 rules", "then run the pipeline again"),
        ("open", "No verdict: 7 rules could not run", "This says nothing about the data"),
        ("empty", "No verdict: there are no rules", "this says nothing about the data"),
    ],
)
def test_page_of_each_verdict_says_it_first_and_what_to_do(
    judged: Judged, docs: Path, name: str, verdict: str, next_step: str
) -> None:
    page = judged(*RUNS[name])
    words = _words(page.path)
    assert page.problem == ""
    assert words.startswith(f"All runs of the data gate {verdict} ")
    assert next_step in words
    assert verdict in _words(docs / "index.html")
    assert name in {"passed", "warned"} or "Passed" not in _words(docs / "index.html")


def test_page_of_a_rejected_run_shows_rules_rows_regimes_and_thresholds(judged: Judged) -> None:
    words = _words(judged(*RUNS["rejected"]).path)
    assert "50 more labels are needed : range 27, breakout 23" in words
    assert "Started 2026-11-22 02:00 UTC Table default.regime_features" in words
    assert (
        "finite volume_price_divergence Expected no NULL, NaN or infinity Observed 3 rows" in words
    )
    assert "symbol timestamp volume_price_divergence BTCUSDT 2026-11-21 23:00:00 inf" in words
    assert "range 4 0.1% 27 fewer than 10 samples" in words
    assert "min samples 300" in words and FINGERPRINT in words
    order = [
        "do not hold",
        "Class balance",
        "Warnings labels",
        "Rules that hold Show",
        "Thresholds",
    ]
    places = [words.index(title) for title in order]
    assert places == sorted(places)


def test_rule_that_could_not_run_is_neither_failed_nor_held(judged: Judged, docs: Path) -> None:
    judged(
        rule("fails", holds=False),
        rule("raises", raises="no answer to /?query_id=1f-2&database=x\nStack trace: 1 2 3"),
        rule("too", raises="no answer to /?query_id=2a-3&database=x [SQL: SELECT 1]"),
    )
    (result,) = (docs / "results").rglob("*.json")
    run = read_record(json.loads(result.read_text(encoding="utf-8")))
    assert (run.state, run.verdict) == ("open", "No verdict: 2 rules could not run")
    assert [r.rule for r in run.of("failed")] == ["fails"]
    assert {problem: [r.rule for r in rules] for problem, rules in run.problems.items()} == {
        "no answer to /?database=x": ["raises", "too"]
    }


@pytest.mark.parametrize("message", ["", "Stack trace: 1 2", "[SQL: SELECT 1]"])
def test_rule_that_could_not_run_without_a_reason_is_not_failed(message: str) -> None:
    raised = {"raised_exception": True, "exception_message": message}
    result = {
        "success": False,
        "expectation_config": {"type": "expect", "severity": "critical"},
        "exception_info": {"('metric',)": raised},
    }
    definition = {"data_asset_name": "table"}
    meta = {"run_id": {"run_name": "run", "run_time": "2026-11-22T02:00:00+00:00"}}
    stored = {
        "meta": meta | {"active_batch_definition": definition},
        "suite_name": "suite",
        "results": [result],
    }
    assert read_record(stored).verdict == "No verdict: 1 rule could not run"


def test_page_with_markup_in_every_text_escapes_it(judged: Judged, docs: Path) -> None:
    page = judged(*RUNS["hostile"])
    for path in (page.path, docs / "index.html"):
        html = path.read_text(encoding="utf-8")
        assert html.count("<script") == 1 and "<img" not in html
    assert EVIL.replace("<", "&lt;").replace(">", "&gt;").replace('"', "&#34;") in (
        page.path.read_text(encoding="utf-8")
    )


def test_site_is_pages_and_results_only_and_names_no_other_host(judged: Judged, docs: Path) -> None:
    judged(*RUNS["rejected"])
    assert sorted(path.suffix for path in _files(docs)) == [".html", ".html", ".json"]
    assert {path.name for path in docs.iterdir()} == {"index.html", "results", "validations"}
    for page in docs.rglob("*.html"):
        assert not re.findall(r"https?://|//\w|@import|url\(", page.read_text(encoding="utf-8"))


def test_index_lists_runs_newest_first_with_links_that_exist(judged: Judged, docs: Path) -> None:
    for hours in (1, 3, 2):
        judged(
            *RUNS["passed"],
            run_id=f"manual__2026-11-22T0{hours}:00:00+00:00",
            started=STARTED + timedelta(hours=hours),
        )
    links = _links(docs)
    assert [int(re.findall(r"T0(\d)%3A00", link)[0]) for link in links] == [3, 2, 1]
    assert all("%2B00%3A00" in link and (docs / unquote(link)).exists() for link in links)


def test_index_without_runs_says_how_to_start_one(engine: Engine, docs: Path) -> None:
    open_context(docs, _url(engine)).build_data_docs()
    assert "No runs yet" in _words(docs / "index.html")


def test_index_with_a_result_that_cannot_be_read_lists_the_others(
    judged: Judged, docs: Path
) -> None:
    judged(*RUNS["passed"], run_id="spoiled")
    (result,) = (docs / "results").rglob("*.json")
    result.write_text("{", encoding="utf-8")
    judged(*RUNS["passed"], started=STARTED + timedelta(hours=1))
    words = _words(docs / "index.html")
    assert "spoiled Result cannot be read" in words
    assert words.count("Passed") == 1


def test_page_with_facts_of_another_table_does_not_show_them(engine: Engine, docs: Path) -> None:
    facts = {"table": "default.other", "fingerprint": FINGERPRINT, "thresholds": {}}
    context = open_context(docs, _url(engine), facts)
    page = publish(context, store_run(context, "regime_features", RUNS["passed"], "run", STARTED))
    assert "regime_features" in _words(page.path)
    assert FINGERPRINT not in _text(page.path)


def test_run_named_profiling_has_a_page(judged: Judged) -> None:
    assert judged(*RUNS["passed"], run_id="profiling_of_symbols").path


def test_retry_of_a_run_replaces_its_page(judged: Judged, docs: Path) -> None:
    first, second = judged(*RUNS["open"]), judged(*RUNS["passed"])
    assert first.path == second.path
    assert RUN_ID in second.path.parts
    assert "No verdict" not in _text(second.path) + _text(docs / "index.html")


def test_page_that_cannot_be_rendered_is_told_and_not_that_of_the_try_before(
    judged: Judged, docs: Path, request: pytest.FixtureRequest
) -> None:
    judged(*RUNS["passed"])
    request.getfixturevalue("broken_renderer")
    page = judged(*RUNS["rejected"])
    assert (page.path, page.problem) == (None, "ValueError: broken")
    assert _links(docs) == []
    assert f"{RUN_ID} no page 2026-11-22 02:00 Rejected: 2 of 19" in _words(docs / "index.html")


def test_folder_that_cannot_be_written_costs_the_page_not_the_verdict(
    engine: Engine, docs: Path
) -> None:
    context = open_context(docs, _url(engine))
    result_id = store_run(context, "regime_features", RUNS["passed"], RUN_ID, STARTED)
    (docs / "validations").write_text("in the way", encoding="utf-8")
    page = publish(context, result_id)
    assert page.path is None and page.problem


@pytest.mark.usefixtures("broken_renderer")
def test_gate_with_a_broken_renderer_has_the_same_verdict_and_no_page(
    judge: Callable[..., object], good_market: pd.DataFrame
) -> None:
    assert (judge(good_market).passed, judge(good_market).page) == (True, None)
    report = judge(good_market, min_samples=5000)
    assert ([r.rule for r in report.failed_rules], report.page) == (["labelled samples"], None)


def test_old_runs_are_forgotten_with_pages_and_folders(judged: Judged, docs: Path) -> None:
    judged(*RUNS["passed"], run_id="oldest", started=STARTED)
    for root in ("results", "validations"):
        suite = docs / root / "labelled_samples"
        (first,) = suite.glob("oldest/*")
        for days in range(1, 203):
            time = (STARTED + timedelta(days=days)).strftime("%Y%m%dT%H%M%S.%fZ")
            shutil.copytree(first, suite / f"run {days}" / time)
    judged(*RUNS["rejected"], run_id="newest", started=STARTED + timedelta(days=300))

    for root in ("results", "validations"):
        runs = {path.name for path in (docs / root / "labelled_samples").iterdir()}
        assert runs == {"newest", *(f"run {days}" for days in range(4, 203))}
    assert (len(_links(docs)), len(_files(docs))) == (200, 401)


def test_runs_that_end_while_the_index_is_written_are_not_lost(
    engine: Engine, judged: Judged, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = open_context(docs, _url(engine))
    stored = store_run(context, "regime_features", RUNS["passed"], "stored", STARTED)
    render = docs_site.index_page
    ends = iter([lambda: publish(context, stored), lambda: judged(*RUNS["passed"], run_id="new")])

    def render_while_others_end(folder: Path) -> str:
        page = render(folder)
        for end in ends:
            end()
        return page

    monkeypatch.setattr(docs_site, "index_page", render_while_others_end)
    judged(*RUNS["passed"], run_id="slow")
    assert {link.split("/")[2] for link in _links(docs)} == {"stored", "new", "slow"}


@pytest.mark.full
def test_runs_of_five_processes_are_all_in_the_index(tmp_path: Path, docs: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(5) as pool:
        pages = pool.starmap(_judge_thrice, [(tmp_path, worker) for worker in range(5)])
    assert [page.problem for three in pages for page in three] == [""] * 15
    assert len({page.path for three in pages for page in three}) == 15
    assert len(_links(docs)) == 15
    assert not [path for path in _files(docs) if path.suffix == ".part"]


def _judge_thrice(folder: Path, worker: int) -> list[DocsPage]:
    engine = open_engine(f"clickhouse+chdb:///default?path={folder / f'clickhouse-{worker}'}")
    apply_schema(engine)
    pages = [
        judge_run(folder / "docs", _url(engine), RUNS["warned"], f"run {worker} {turn}")
        for turn in range(3)
    ]
    engine.dispose()
    return pages


@pytest.mark.parametrize("protocol", ["native", "http"])
def test_password_stands_nowhere_below_the_folder(
    server: Server | GivenServer, docs: Path, protocol: str
) -> None:
    if isinstance(server, GivenServer):
        pytest.skip("a server of the tests' own has the password to look for")
    password = PASSWORDS["CLICKHOUSE_APPLICATION_PASSWORD"]
    administrator = open_engine(server.url(protocol))
    apply_schema(administrator)
    administrator.dispose()
    url = server.url(protocol, "application", password).render_as_string(hide_password=False)
    unknown = gxe.ExpectColumnMaxToBeBetween(
        column="no_such_column", min_value=0, **critical("unknown", "a column", "It matters.")
    )
    page = judge_run(docs, url, [*RUNS["rejected"], unknown])
    assert "No verdict" in _words(page.path)
    for path in _files(docs):
        content = path.read_text(encoding="utf-8")
        for spelling in (password, quote(password), quote(password, ""), quote_plus(password), url):
            assert spelling not in content
            assert json.dumps(spelling)[1:-1] not in content
