"""The pipeline on real servers: the ways to them, runs of the DAG there, and what ran on which."""

import logging
import re
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tabulate import tabulate

from tests.conftest import a_quarter
from tests.dags.home import Home
from tests.services.server import GivenServer, Server
from tests.services.ways import (
    PROTOCOLS,
    Way,
    drop_databases,
    embedded_way,
    make_databases,
    server_way,
)

TABLE = pytest.StashKey[str]()
"""Where a test leaves a table for the end of the output."""


@pytest.fixture
def places(server: Server | GivenServer) -> Iterator[tuple[str, str]]:
    """The databases of source and snapshots on the common server, for one test."""
    places = ("default", "regime_snapshots")  # where the users of the stack have their rights
    if isinstance(server, GivenServer):
        unique = f"test_{uuid.uuid4().hex}"
        places = (unique, f"{unique}_snapshots")
    make_databases(server, *places)
    yield places
    drop_databases(server, *places)


@pytest.fixture(params=[a_quarter("chdb"), "native", "http"])
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Way:
    """Each way to ClickHouse, with an empty source."""
    if request.param == "chdb":
        return embedded_way(tmp_path)
    places = request.getfixturevalue("places")
    return server_way(request.getfixturevalue("server"), request.param, *places)


@pytest.fixture
def home_at(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Callable[[Way], Home]:
    """Makes a home whose DAG goes a given way."""
    caplog.set_level(logging.INFO)

    def make(way: Way) -> Home:
        for name, value in way.variables.items():
            monkeypatch.setenv(f"AIRFLOW_VAR_{name}", value)

        def capture() -> str:
            return "".join((*capfd.readouterr(), caplog.text))

        return Home(tmp_path, way.owner, way.connection, monkeypatch, capture)

    return make


@pytest.fixture(params=["native", "http"])
def protocol(request: pytest.FixtureRequest) -> str:
    """Each protocol of a server."""
    return str(request.param)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints what ran on which protocol, and the table that compares them."""
    told: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.getreports(outcome):
            test, _, parameters = report.nodeid.partition("[")
            named = re.findall(r"\b(?:chdb|native|http)\b", parameters)
            for protocol in named:
                told[test][protocol][outcome] += 1
    if told:
        terminalreporter.section("what ran on which protocol")
        rows = [(test, *(_count(told[test][p]) for p in PROTOCOLS)) for test in sorted(told)]
        terminalreporter.write_line(tabulate(rows, headers=("test", *PROTOCOLS)))
    table = terminalreporter.config.stash.get(TABLE, "")
    if table:
        terminalreporter.section("protocols compared")
        terminalreporter.write_line(table)


def _count(outcomes: Counter[str]) -> str:
    return ", ".join(f"{number} {outcome}" for outcome, number in outcomes.items()) or "-"
