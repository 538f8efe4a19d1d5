"""One throw-away Airflow home for the whole test run, set before anything imports Airflow."""

import logging
import os
import shutil
import tempfile
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url
from xdist.scheduler import LoadScopeScheduling

from clickhouse.engine import open_engine
from clickhouse.schema import apply_schema
from tests.dags.home import listening_chat, small_market
from tests.services.server import GivenServer, Server

REPOSITORY = Path(__file__).resolve().parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
HOME = tempfile.mkdtemp(prefix="airflow-")

for name in [name for name in os.environ if name.startswith(("AIRFLOW_VAR_", "AIRFLOW_CONN_"))]:
    del os.environ[name]
os.environ |= {
    "AIRFLOW_HOME": HOME,
    "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    "PYTHONPATH": str(REPOSITORY),
    # Each core has a worker already: threads of their own would wait for each other.
    "LOKY_MAX_CPU_COUNT": "1",
    "OMP_NUM_THREADS": "1",
}


FULL = os.environ.get("FULL") == "1"
AIRFLOW = "tests/airflow/"
FIRST = (
    AIRFLOW,
    "tests/dags/",
    "tests/test_readme.py",
    "tests/services/",
    "tests/ml/test_storage.py",
)
"""What takes longest, so that no worker is left alone with it."""
FREE = ("tests/dags/test_outcomes.py", "tests/services/test_lost_server.py")
"""Whose tests share nothing, so that each may run where there is time."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out, unless FULL=1, what is marked `full` and three of four that are `points`."""

    def place(item: pytest.Item) -> int:
        return next((k for k, name in enumerate(FIRST) if item.nodeid.startswith(name)), len(FIRST))

    def stays(item: pytest.Item) -> bool:
        if item.get_closest_marker("points"):
            return zlib.crc32(item.nodeid.encode()) % 4 == 0
        return item.get_closest_marker("full") is None

    if not FULL:
        config.hook.pytest_deselected(items=[item for item in items if not stays(item)])
        items[:] = filter(stays, items)
    items.sort(key=place)


class ByWorld(LoadScopeScheduling):  # type: ignore[misc] # without types
    """Keeps in one process the tests of a file, and all that share the running Airflow."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file.startswith(AIRFLOW):
            return AIRFLOW
        return nodeid if file in FREE else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Hands the tests out by world."""
    return ByWorld(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says what was left out."""
    if not FULL:
        terminalreporter.write_line(
            "Left out: tests marked `full`, which take long, and three of four of very many alike "
            "cases and kill points. FULL=1 runs them too, as CI does."
        )


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An embedded engine with an empty `regime_features`."""
    engine = open_engine(f"clickhouse+chdb:///default?path={tmp_path / 'clickhouse'}")
    apply_schema(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server | GivenServer]:
    """One real ClickHouse server for the whole test run."""
    given = os.environ.get("CLICKHOUSE_TEST_URL")
    if given:
        yield GivenServer(make_url(given))
        return
    started = Server(tmp_path_factory.mktemp("clickhouse-server")).start()
    yield started
    started.kill()


@pytest.fixture
def database(server: Server | GivenServer) -> Iterator[str]:
    """A database of the server for one test."""
    name = f"test_{uuid.uuid4().hex}"
    administrator = open_engine(server.url("native"))
    with administrator.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield name
        connection.execute(text(f"DROP DATABASE {name}"))
    administrator.dispose()


def a_quarter(name: str) -> Any:
    """A parameter that all tests take with FULL=1, and else a quarter of them."""
    return pytest.param(name, marks=pytest.mark.points)


@pytest.fixture(params=["chdb", a_quarter("native"), a_quarter("http")])
def any_engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine with an empty `regime_features`: embedded, and a server over both protocols."""
    if request.param == "chdb":
        yield request.getfixturevalue("engine")
        return
    server, database = request.getfixturevalue("server"), request.getfixturevalue("database")
    engine = open_engine(server.url(request.param, database=database))
    apply_schema(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def s3() -> Iterator[Any]:
    """A file system on an S3 server of this machine, with a bucket `models`."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    fs = fsspec.filesystem(
        "s3", key="key", secret="secret", endpoint_url=f"http://{host}:{port}", anon=False
    )
    fs.mkdir("models")
    yield fs
    server.stop()


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The messages that arrived at a configured channel."""
    with listening_chat(monkeypatch) as messages:
        yield messages


@pytest.fixture(scope="session")
def market() -> pd.DataFrame:
    """2,000 labelled samples of four symbols."""
    return small_market()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser that cannot reach anything but this machine.

    Of a module only: while it runs, so does an event loop, and Amazon's provider starts its own.
    """
    api = pytest.importorskip(
        "playwright.sync_api", reason="install requirements-dev.txt for playwright"
    )
    if CHROMIUM is None:
        pytest.skip("install Chromium, such as `apt-get install chromium`")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            # No proxy answers there, so a request to another host fails.
            args=["--no-sandbox", "--proxy-server=127.0.0.1:9", "--disable-background-networking"],
        )
        yield browser
        browser.close()
