"""Who sees the pipeline's pages, and that an address leads to nothing else."""

import http.client
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
import requests

from tests.airflow.conftest import DAG, VIEWER, Place, Site
from tests.dags.home import embedded_home
from tests.services.scheduler import running_airflow
from tests.services.server import REPOSITORY

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("empty") / "docs"


@pytest.fixture(scope="module")
def empty_ui(docs: Path) -> Iterator[Site]:
    """An Airflow behind a proxy's prefix, before the first run."""
    with pytest.MonkeyPatch.context() as patched:
        embedded_home(docs.parent, patched, lambda: "")
        # What the environment says would hide what the database does.
        patched.delenv("AIRFLOW_VAR_DATA_DOCS_DIR")
        folder, dags = docs.parent / "airflow", REPOSITORY / "dags"
        with running_airflow(folder, dags, ("api-server",), prefix="/airflow") as airflow:
            yield Site(airflow, [], [])


PAGES = ("data-docs/", "data-docs/run?run_id=x", "report?run_id=x", "models")


@pytest.mark.parametrize("page", PAGES)
def test_anonymous_person_gets_the_login_page_and_comes_back(ui: Place, page: str) -> None:
    answer = ui.site.ask(page, user=None)
    assert answer.status_code == 307
    login = answer.headers["Location"]
    assert login.startswith("/auth/login?next=")
    assert login.endswith(quote(f"/regime-model/{page}", safe=""))


@pytest.mark.parametrize("page", PAGES)
def test_anonymous_program_gets_401(ui: Place, page: str) -> None:
    answer = requests.get(f"{ui.airflow.address}/regime-model/{page}", timeout=30)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Not authenticated"})


def test_login_signed_by_a_former_secret_leads_to_the_login_page(ui: Place) -> None:
    answer = requests.get(
        f"{ui.airflow.address}/regime-model/data-docs/",
        headers={"Accept": "text/html"},
        cookies={"_token": "eyJhbGciOiJIUzUxMiJ9.e30.AAAA"},
        timeout=30,
        allow_redirects=False,
    )
    assert (answer.status_code, "/auth/login" in answer.headers["Location"]) == (307, True)


@pytest.mark.parametrize("page", ["docs", "redoc", "openapi.json"])
def test_nothing_else_is_public(ui: Place, page: str) -> None:
    assert ui.site.ask(page, user=None).status_code == 404


def test_viewer_sees_the_runs_page(ui: Place) -> None:
    assert ui.run_id in ui.site.ask("data-docs/", VIEWER).text.replace("<wbr>", "")
    answer = ui.site.ask("data-docs/run", VIEWER, run_id=ui.run_id)
    assert answer.status_code == 307
    page = answer.headers["Location"].removeprefix("/regime-model/")
    assert "labelled samples" in ui.site.ask(page, VIEWER).text


def test_viewer_sees_the_models_and_each_report_a_link_away(ui: Place) -> None:
    page = ui.site.ask("models", VIEWER).text
    (link,) = set(re.findall(r'href="(report[^"]+)"', page))
    report = ui.site.ask(link, VIEWER)
    assert report.status_code == 200
    assert ui.run_id in report.text and "Accuracy on the holdout" in report.text


def test_rejected_run_stands_first_on_models_with_what_was_found(ui: Place) -> None:
    rejected = ui.airflow.trigger(DAG, min_labeled_samples=1_000_000)
    assert ui.airflow.finished(DAG, rejected)[0] == "failed"
    page = ui.site.ask("models", VIEWER).text
    first = page.partition('id="production"')[0]
    assert (
        ": Rejected</h1>" in first
        and "<li>Labelled samples: 2000, expected at least 1000000.</li>" in first
    )


def test_pages_in_the_navigation_have_signs_of_their_own(ui: Place) -> None:
    (plugin,) = (p for p in ui.airflow.get("plugins")["plugins"] if p["name"] == "regime_pages")
    views = plugin["external_views"]
    icons = [view[name] for view in views for name in ("icon", "icon_dark_mode")]
    assert len(set(icons)) == len(icons) == 10
    for icon in icons:
        answer = ui.site.ask(icon.partition("/regime-model/")[2], VIEWER)
        assert answer.headers["Content-Type"] == "image/svg+xml" and "<path" in answer.text


def test_production_is_there_to_be_kept(ui: Place) -> None:
    answer = ui.site.ask("production/model", VIEWER)
    assert answer.content == (ui.home.models / "regime_detector.onnx").read_bytes()
    assert "regime_detector.onnx" in answer.headers["Content-Disposition"]
    assert ui.site.ask("production/metrics", VIEWER).json()["run_id"] == ui.run_id
    assert "There is none" in ui.site.ask("production/passwords", VIEWER).text
    assert ui.site.ask("production/model", user=None).status_code == 307


def test_report_that_is_a_link_shows_a_viewer_nothing_of_what_it_leads_to(ui: Place) -> None:
    (report,) = ui.home.models.glob("candidates/*/report.html")
    secret = ui.home.models.parent / "airflow.cfg"
    secret.write_text("fernet_key = s3cret")
    aside = report.rename(report.with_suffix(".aside"))
    report.symlink_to(secret)
    try:
        answer = ui.site.ask("report", VIEWER, run_id=ui.run_id)
    finally:
        aside.rename(report)
    assert (answer.status_code, "s3cret" in answer.text) == (503, False)
    assert "links are not followed" in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "../secret.html",
        "%2e%2e/secret.html",
        "..%2fsecret.html",
        "validations/../../secret.html",
        "%2e%2e%2fsecret.html",
        "/etc/passwd",
        "link.html",
        "%00.html",
        "a" * 300 + ".html",
        "results",
        "validations/",
        "secret.txt",
    ],
)
def test_no_address_leads_out_of_the_folder_or_to_what_is_no_page(ui: Place, path: str) -> None:
    secret = ui.home.folder / "secret.html"
    secret.write_text("SECRET", encoding="utf-8")
    (ui.home.docs / "secret.txt").write_text("SECRET", encoding="utf-8")
    link = ui.home.docs / "link.html"
    if not link.is_symlink():
        link.symlink_to(secret)
    status, text = _raw(ui, f"/regime-model/data-docs/{path}")
    assert status == 404
    assert "SECRET" not in text and "root:" not in text


def _raw(ui: Place, path: str) -> tuple[int, str]:
    """Asks for exactly this path, which clients would tidy up."""
    connection = http.client.HTTPConnection(str(urlsplit(ui.airflow.address).netloc), timeout=30)
    authorization = str(ui.airflow.session.headers["Authorization"])
    connection.request("GET", path, headers={"Authorization": authorization})
    answer = connection.getresponse()
    status, text = answer.status, answer.read().decode()
    connection.close()
    return status, text


@pytest.mark.parametrize("run_id", ["../..", "*", "no such run", ""])
def test_run_without_a_page_is_told_so(ui: Place, run_id: str) -> None:
    for page, told in (("data-docs/run", "No Data Docs of"), ("report", "No report of")):
        answer = ui.site.ask(page, run_id=run_id)
        assert (answer.status_code, f"{told} this run" in answer.text) == (200, True)


@pytest.mark.parametrize("page", ["data-docs/run", "report"])
def test_run_of_another_dag_is_answered_politely_and_escaped(ui: Place, page: str) -> None:
    answer = ui.site.ask(page, run_id=ui.run_id, dag_id="<img>")
    assert (answer.status_code, "<img>" in answer.text) == (200, False)
    assert "belongs to runs of regime_model_training" in answer.text


def test_pages_may_load_nothing_and_run_only_our_script(ui: Place) -> None:
    run = quote(ui.run_id)
    for page in ("data-docs/", "data-docs/run?run_id=none", f"report?run_id={run}", "models"):
        headers = ui.site.ask(page).headers
        policy = headers["Content-Security-Policy"]
        allowed = (
            r"default-src 'none'; script-src 'sha256-\S+'; style-src 'sha256-\S+'; img-src data:;"
        )
        assert re.match(allowed, policy), page
        assert "unsafe" not in policy and "frame-ancestors 'self'" in policy
        assert (headers["X-Content-Type-Options"], headers["Cache-Control"]) == (
            "nosniff",
            "no-store",
        )


def test_behind_a_prefix_every_address_has_it(empty_ui: Site) -> None:
    login = empty_ui.ask("data-docs/", user=None).headers["Location"]
    assert login.startswith("/airflow/auth/login?next=")
    assert quote("/airflow/regime-model/data-docs/", safe="") in login
    (plugin,) = (
        plugin
        for plugin in empty_ui.airflow.get("plugins")["plugins"]
        if plugin["name"] == "regime_pages"
    )
    assert plugin["external_views"]
    for view in plugin["external_views"]:
        assert view["href"].startswith("/airflow/regime-model/")


def test_before_the_first_run_the_page_says_how_to_start_one(empty_ui: Site, docs: Path) -> None:
    empty_ui.airflow.set_variable("DATA_DOCS_DIR", str(docs))
    answer = empty_ui.ask("data-docs/")
    assert (answer.status_code, "press Trigger" in answer.text) == (200, True)
    answer = empty_ui.ask("models")
    assert (answer.status_code, "No model yet" in answer.text) == (200, True)


def test_setting_is_read_from_airflows_database_and_a_wrong_one_is_named(
    empty_ui: Site, docs: Path
) -> None:
    docs.mkdir()
    (docs / "index.html").write_text("<p>the site", encoding="utf-8")
    for value, seen, status in (
        ("s3://docs", "DATA_DOCS_DIR is &#39;s3://docs&#39;", 503),
        (str(docs), "<p>the site", 200),
    ):
        empty_ui.airflow.set_variable("DATA_DOCS_DIR", value)
        answer = empty_ui.ask("data-docs/")
        assert (answer.status_code, seen in answer.text) == (status, True)
