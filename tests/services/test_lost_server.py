"""The server dies while a task talks to it: the run waits for it, or says that it is gone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from tests.dags.home import Home, Run
from tests.services.proxy import Moment, Proxy
from tests.services.server import Server
from tests.services.ways import Way, make_databases, server_way

# Airflow and what it is made of raise deprecations of their own.
pytestmark = pytest.mark.filterwarnings("default")

PLACES = ("default", "regime_snapshots")
READING = b"toUInt32(timestamp) AS c0"


@dataclass(frozen=True)
class Blow:
    """When the server is lost: at which query of which task."""

    task: str
    words: bytes
    moment: Moment
    occurrence: int = 1


BLOWS = {
    "freezing": Blow("check_data", b"CREATE OR REPLACE TABLE", "asked"),
    "frozen, not yet told": Blow("check_data", b"CREATE OR REPLACE TABLE", "answered"),
    "gate looks at the table": Blow("check_data", b'DESCRIBE TABLE "', "asked"),
    "gate counts": Blow("check_data", b"isFinite(", "answered"),
    "pruning": Blow("check_data", b"SELECT name, comment FROM system.tables", "asked"),
    "training verifies": Blow("train_model", b"sipHash128", "asked", 2),
    "training reads": Blow("train_model", READING, "answering"),
    "validation reads": Blow("validate_model", READING, "answering", 2),
}
WHOLE_RUNS = ("freezing", "gate counts", "training reads", "validation reads")
"""One for each task and part of a task: a run to its end takes seconds."""


@dataclass
class Stage:
    """A server of its own behind a proxy, and a DAG that goes through the proxy."""

    server: Server
    way: Way
    home_at: Callable[[Way], Home]

    def run(self, blow: Blow, *, comes_back: bool) -> Run:
        """Runs the DAG; the server dies at the blow, and is back for a second try or never.

        Never means that the lost try is the last, so that its own words are the message.
        """
        port = self.server.port(self.way.protocol)
        with Proxy(port, blow.words, blow.moment, self.server.kill, blow.occurrence) as proxy:
            self.home = self.home_at(self.way.through(proxy.port))
            run = self.home.run(
                retries=int(comes_back), on_retry=self.server.start, MIN_ACCURACY="0.3"
            )
            assert proxy.struck
        return run


@pytest.fixture(params=["native", "http"])
def stage(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    market: pd.DataFrame,
    home_at: Callable[[Way], Home],
) -> Iterator[Stage]:
    """A loaded source, and a production model that must stay what it is until it is replaced."""
    server = Server(tmp_path / "server").start()
    try:
        make_databases(server, *PLACES)
        stage = Stage(server, server_way(server, request.param, *PLACES), home_at)
        home = home_at(stage.way)
        home.load(market)
        home.put_production(b"production")
        yield stage
    finally:
        server.kill()


@pytest.mark.full
@pytest.mark.parametrize("name", WHOLE_RUNS)
def test_server_that_comes_back_costs_a_retry_of_that_task_only(
    stage: Stage, chat: list[str], name: str
) -> None:
    blow = BLOWS[name]
    run = stage.run(blow, comes_back=True)
    assert (run.state, run.tasks["deploy_model"]) == ("success", "success"), chat
    tries = {task: 2 if task == blow.task else 1 for task in run.tries}
    assert run.tries | {"skip_deployment": 1} == tries | {"skip_deployment": 1}
    assert len(chat) == 1
    assert "Status: SUCCESS" in chat[0]


@pytest.mark.points
@pytest.mark.parametrize("name", BLOWS)
def test_server_that_stays_away_is_named_and_never_called_bad_data(
    stage: Stage, chat: list[str], name: str
) -> None:
    blow = BLOWS[name]
    run = stage.run(blow, comes_back=False)
    assert (run.state, run.tasks[blow.task]) == ("failed", "failed")
    assert stage.home.files()["regime_detector.onnx"] == b"production"
    (message,) = chat
    assert f"Task: {blow.task}" in message
    assert f"ClickHouse at {stage.way.protocol}://127.0.0.1:" in message
    assert "cannot be reached" in message
    assert "See that the server is up" in message
    for text in (message, run.log, str(run.xcoms)):
        assert "data quality" not in text
        assert not [secret for secret in stage.way.secrets if secret in text]
