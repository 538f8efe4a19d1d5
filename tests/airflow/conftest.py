"""One running Airflow for all tests that look at one or start runs in it.

Every test module has a place of its own in it: a ClickHouse, a MODELS_DIR and Data Docs.
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import requests

from tests.dags.home import Home, embedded_home, listening_chat
from tests.services.metrics import Gauge, listening_collector
from tests.services.scheduler import (
    USER,
    Airflow,
    dags_without_schedule,
    running_airflow,
    token_of,
)
from tests.services.server import REPOSITORY

DAG = "regime_model_training"
ROLLBACK = "regime_model_rollback"
ONCE, SHORT = f"{DAG}_once", f"{DAG}_short"
"""The same without retries; stopped after half a minute, too."""
VIEWER = "val"
SHOTS = os.environ.get("UI_SCREENSHOTS")
"""Folder to keep the screenshots in, for people to look at."""
Open = Callable[..., Any]
SETTLED = 10
"""Seconds in which a message too many would have come."""


@dataclass(frozen=True)
class Site:
    """A running Airflow, and who hears of its runs.

    Attributes:
        airflow: the server.
        chat: the messages that arrived.
        gauges: what an OpenTelemetry collector has got.
    """

    airflow: Airflow
    chat: list[str]
    gauges: list[Gauge]

    def ask(self, page: str, user: str | None = USER, **query: str) -> requests.Response:
        """Asks for one of our pages as a browser would, and follows nothing."""
        headers = {"Accept": "text/html"}
        if user:
            headers["Authorization"] = f"Bearer {token_of(self.airflow.address, user)}"
        url = f"{self.airflow.address}/regime-model/{page}"
        return requests.get(url, params=query, headers=headers, timeout=30, allow_redirects=False)


@dataclass(frozen=True)
class Place:
    """A ClickHouse with a market and a MODELS_DIR, to which the site is turned."""

    site: Site
    home: Home
    runs: list[str] = field(default_factory=list)

    @property
    def airflow(self) -> Airflow:
        return self.site.airflow

    @property
    def chat(self) -> list[str]:
        return self.site.chat

    @property
    def run_id(self) -> str:
        """The first run, of those who made one."""
        return self.runs[0]

    def told(self, number: int) -> list[str]:
        """The messages since then."""
        return self.chat[number:]

    def deploy(self) -> str:
        """Starts a run that deploys a model."""
        run_id = self.airflow.trigger(DAG)
        state, tasks = self.airflow.finished(DAG, run_id)
        assert (state, tasks["deploy_model"]) == ("success", "success")
        self.runs.append(run_id)
        return run_id


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    dags = _dags(folder)
    settings = {
        "METRICS__OTEL_ON": "True",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    }
    parts = ("api-server", "scheduler", "dag-processor", "triggerer")
    with ExitStack() as stack:
        # Airflow keeps this environment; other tests of this process must not.
        with pytest.MonkeyPatch.context() as patched:
            chat = stack.enter_context(listening_chat(patched))
            address, gauges = stack.enter_context(listening_collector())
            patched.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", f"{address}/v1/metrics")
            for name, value in settings.items():
                patched.setenv(f"AIRFLOW__{name}", value)
            started = running_airflow(folder / "airflow", dags, parts, others={VIEWER: "viewer"})
            airflow = stack.enter_context(started)
        for file in dags.glob("*.py"):
            airflow.unpause(file.stem)
        yield Site(airflow, chat, gauges)


@pytest.fixture(scope="session")
def place_at(
    site: Site, tmp_path_factory: pytest.TempPathFactory, market: pd.DataFrame
) -> Callable[[str], Place]:
    """Turns the site to a new place."""

    def turn(name: str) -> Place:
        folder = tmp_path_factory.mktemp(name)
        # By Variables and a Connection of Airflow's database: an environment cannot be changed.
        with pytest.MonkeyPatch.context() as patched:
            home = embedded_home(folder, patched, lambda: "")
            home.load(market)
        site.airflow.set_variable("MODELS_DIR", str(home.models))
        site.airflow.set_variable("DATA_DOCS_DIR", str(home.docs))
        extra = json.dumps({"path": str(folder / "clickhouse")})
        site.airflow.set_connection("clickhouse_default", "chdb", extra)
        _settle(site.airflow, home)
        return Place(site, home)

    return turn


@pytest.fixture(scope="session")
def ui(place_at: Callable[[str], Place]) -> Place:
    """A place in which the DAG has run once."""
    place = place_at("pages")
    place.deploy()
    return place


@pytest.fixture
def open_page(chromium: Any, site: Site) -> Iterator[Open]:
    """Opens a path of the UI, logged in; gives the page after proving that it ran no mishap."""
    contexts = []

    def open_at(path: str, width: int = 1400, scheme: str = "light", user: str = USER) -> Any:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        contexts.append(context)
        address = site.airflow.address
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


def keep(page: Any, name: str) -> None:
    """Takes a screenshot of all of a page."""
    content = page.screenshot(full_page=True)
    if SHOTS:
        Path(SHOTS, f"{name}.png").write_bytes(content)


def _settle(airflow: Airflow, home: Home) -> None:
    """Says that the last deployment was here: of another MODELS_DIR a person would be asked."""
    newest = airflow.get("assets/events?order_by=-timestamp&limit=1")["asset_events"]
    if newest:
        airflow.add_asset_event(newest[0], path=str(home.models / "regime_detector.onnx"))


def _dags(folder: Path) -> Path:
    """The DAGs without a schedule, copies of one of them, and the consumer of docs/models.md."""
    dags = dags_without_schedule(folder)
    training = (dags / f"{DAG}.py").read_text(encoding="utf-8")
    once = _replaced(training, "**RETRIES,", '**RETRIES, "retries": 0,')
    short = _replaced(once, "timedelta(hours=12) + APPROVAL_WAIT", "timedelta(seconds=30)")
    for name, text in {ONCE: once, SHORT: short}.items():
        (dags / f"{name}.py").write_text(text.replace(DAG, name), encoding="utf-8")
    guide = (REPOSITORY / "docs/models.md").read_text(encoding="utf-8")
    (consumer,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    (dags / "application_restart.py").write_text(consumer, encoding="utf-8")
    return dags


def _replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)
