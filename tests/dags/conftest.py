"""Runs of the real DAG through Airflow on an embedded ClickHouse."""

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import Engine

from clickhouse.engine import open_engine
from clickhouse.schema import apply_schema
from sample_market import MarketSpec, simulate
from sample_market.loading import insert


@pytest.fixture(scope="session")
def _airflow_database() -> None:
    subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True
    )


@dataclass
class Run:
    """What a run of the DAG left behind."""

    state: str
    tasks: dict[str, str]
    tries: dict[str, int]
    log: str
    run_id: str


@dataclass
class Home:
    """One ClickHouse folder and one MODELS_DIR, and runs of the DAG on them."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capture: Callable[[], str]

    @property
    def models(self) -> Path:
        return self.folder / "models"

    @property
    def docs(self) -> Path:
        return self.folder / "docs"

    def open(self) -> Engine:
        return open_engine(f"clickhouse+chdb:///default?path={self.folder / 'clickhouse'}")

    def load(self, market: pd.DataFrame) -> None:
        engine = self.open()
        apply_schema(engine)
        insert(engine, market)
        engine.dispose()

    def metrics(self) -> dict[str, Any]:
        text = (self.models / "regime_detector_metrics.json").read_text(encoding="utf-8")
        return dict(json.loads(text))

    def files(self) -> dict[str, bytes]:
        found = [path for path in self.models.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.models)): path.read_bytes() for path in found}

    def run(self, conf: Mapping[str, Any] | None = None, **variables: str) -> Run:
        """Runs the DAG once; keyword arguments are Variables."""
        from airflow.utils.cli import get_bagged_dag

        for name, value in variables.items():
            self.monkeypatch.setenv(f"AIRFLOW_VAR_{name}", value)
        dag = get_bagged_dag(bundle_names=None, dag_id="regime_model_training")
        for task in dag.tasks:
            task.retries, task.retry_delay = 1, pd.Timedelta(0).to_pytimedelta()
        dag_run = dag.test(logical_date=datetime.now(UTC), run_conf=dict(conf or {}))
        for name in variables:
            self.monkeypatch.delenv(f"AIRFLOW_VAR_{name}")
        instances = dag_run.get_task_instances()
        return Run(
            state=str(dag_run.state),
            tasks={instance.task_id: str(instance.state) for instance in instances},
            tries={instance.task_id: instance.try_number for instance in instances},
            log=self.capture(),
            run_id=dag_run.run_id,
        )


@pytest.fixture
def home(
    _airflow_database: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Home:
    """A home with nothing in it yet."""
    connection = {"conn_type": "chdb", "extra": {"path": str(tmp_path / "clickhouse")}}
    monkeypatch.setenv("AIRFLOW_CONN_CLICKHOUSE_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW_VAR_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("AIRFLOW_VAR_DATA_DOCS_DIR", str(tmp_path / "docs"))
    caplog.set_level(logging.INFO)
    return Home(tmp_path, monkeypatch, lambda: "".join((*capfd.readouterr(), caplog.text)))


class _Chat(BaseHTTPRequestHandler):
    """Takes what Apprise posts to a json:// address."""

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.server.messages.append(json.loads(self.rfile.read(length))["message"])  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The messages that arrived at a configured channel."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Chat)
    server.messages = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("AIRFLOW_VAR_APPRISE_URLS", f"json://127.0.0.1:{server.server_port}/")
    yield server.messages  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def market() -> pd.DataFrame:
    """2,000 labelled samples of four symbols."""
    return simulate(MarketSpec(rows=6000, seed=2))
