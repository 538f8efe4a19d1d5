"""A place to run the real DAG in: its ClickHouse, its folders, and what a run leaves behind."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pytest
from sqlalchemy import URL, Engine, make_url

from clickhouse.engine import open_engine
from clickhouse.schema import apply_schema
from sample_market import MarketSpec, simulate
from sample_market.loading import insert
from sample_market.spec import current_hour

SMALL: Final = {"trees": 40, "cv_trees": 8}
"""A training's options of every run: as good on a small market, and grown in a second. With fewer
trees, folds and holdout differ by more than chance."""


@dataclass
class Run:
    """What a run of the DAG left behind; its XComs by task and key, from Airflow's database."""

    state: str
    tasks: dict[str, str]
    tries: dict[str, int]
    log: str
    run_id: str
    xcoms: dict[str, Any]


@dataclass
class Home:
    """One ClickHouse, one MODELS_DIR, and runs of the DAG on them.

    Attributes:
        folder: where models and Data Docs are written.
        source: how the owner of `regime_features` reaches it.
        connection: the Airflow Connection the DAG goes by.
        capture: gives what was printed and logged since it was last asked.
    """

    folder: Path
    source: URL
    connection: Mapping[str, Any]
    monkeypatch: pytest.MonkeyPatch
    capture: Callable[[], str]

    def __post_init__(self) -> None:
        migrate_airflow()
        self.connect(self.connection)
        self.monkeypatch.setenv("AIRFLOW_VAR_MODELS_DIR", str(self.models))
        self.monkeypatch.setenv("AIRFLOW_VAR_DATA_DOCS_DIR", str(self.docs))

    @property
    def models(self) -> Path:
        return self.folder / "models"

    @property
    def docs(self) -> Path:
        return self.folder / "docs"

    def connect(self, connection: Mapping[str, Any]) -> None:
        """Sends the DAG to another ClickHouse."""
        self.monkeypatch.setenv("AIRFLOW_CONN_CLICKHOUSE_DEFAULT", json.dumps(connection))

    def open(self) -> Engine:
        return open_engine(self.source)

    def load(self, market: pd.DataFrame) -> None:
        engine = self.open()
        apply_schema(engine)
        insert(engine, market)
        engine.dispose()

    def put_production(self, content: bytes) -> None:
        """Writes a file where the application reads its model."""
        self.models.mkdir(exist_ok=True)
        (self.models / "regime_detector.onnx").write_bytes(content)

    def metrics(self) -> dict[str, Any]:
        text = (self.models / "regime_detector_metrics.json").read_text(encoding="utf-8")
        return dict(json.loads(text))

    def files(self) -> dict[str, bytes]:
        found = [path for path in self.models.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.models)): path.read_bytes() for path in found}

    def run(
        self,
        conf: Mapping[str, Any] | None = None,
        *,
        retries: int = 1,
        on_retry: Callable[[], object] | None = None,
        dag_id: str = "regime_model_training",
        **variables: str,
    ) -> Run:
        """Runs a DAG once; retries do not wait.

        Args:
            conf: the run's Params.
            retries: how often a task is tried again.
            on_retry: called between a failed try and the next.
            dag_id: which DAG.
            **variables: Airflow Variables of this run.
        """
        from ml.training.forest import TrainingOptions

        def retried(_context: object) -> None:
            if on_retry is not None:
                on_retry()

        dag = _parsed(dag_id)
        for task in dag.tasks:
            task.retries, task.retry_delay = retries, timedelta(0)
            task.on_retry_callback = [retried]
        with self.monkeypatch.context() as patched:
            small = partial(TrainingOptions, **SMALL)
            patched.setattr("pipeline.tasks.train_model.TrainingOptions", small)
            # `_parsed` has told the database of every DAG.
            patched.setattr("airflow.dag_processing.dagbag.sync_bag_to_db", lambda *_: None)
            for name, value in variables.items():
                patched.setenv(f"AIRFLOW_VAR_{name}", value)
            dag_run = dag.test(logical_date=datetime.now(UTC), run_conf=dict(conf or {}))
        instances = dag_run.get_task_instances()
        return Run(
            state=str(dag_run.state),
            tasks={instance.task_id: str(instance.state) for instance in instances},
            tries={instance.task_id: instance.try_number for instance in instances},
            log=self.capture(),
            run_id=dag_run.run_id,
            xcoms=_xcoms_of(dag_run.run_id),
        )


@cache
def migrate_airflow() -> None:
    """Prepares the Airflow database of the test run, once."""
    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    subprocess.run(command, check=True, capture_output=True)


@cache
def _synced_bundle() -> Any:
    """The bundle of the DAGs folder, all of which Airflow's database knows, once."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db

    untyped: Any = DagBundlesManager
    manager = untyped()
    manager.sync_bundles_to_db()
    (bundle,) = manager.get_all_dag_bundles()
    bundle.initialize()
    bag = BundleDagBag(bundle.path, bundle_path=bundle.path, bundle_name=bundle.name)
    sync_bag_to_db(bag, bundle.name, bundle.version)
    return bundle


def _parsed(dag_id: str) -> Any:
    """A DAG as its file is now."""
    from airflow.dag_processing.dagbag import BundleDagBag

    bundle = _synced_bundle()
    file = bundle.path / f"{dag_id}.py"
    return BundleDagBag(file, bundle_path=bundle.path, bundle_name=bundle.name).dags[dag_id]


def _xcoms_of(run_id: str) -> dict[str, Any]:
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        found = session.query(XComModel).filter(XComModel.run_id == run_id).all()
        return {f"{xcom.task_id} {xcom.key}": xcom.value for xcom in found}


def embedded_home(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capture: Callable[[], str]
) -> Home:
    """A home on an embedded ClickHouse in the same folder."""
    data = folder / "clickhouse"
    source = make_url(f"clickhouse+chdb:///default?path={data}")
    connection = {"conn_type": "chdb", "extra": {"path": str(data)}}
    return Home(folder, source, connection, monkeypatch, capture)


@cache
def small_market() -> pd.DataFrame:
    """2,000 labelled samples of four symbols, the same at every hour of a day."""
    return simulate(MarketSpec(rows=6000, seed=2, end=current_hour().replace(hour=0)))


class _Chat(BaseHTTPRequestHandler):
    """Takes what Apprise posts to a json:// address."""

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.server.messages.append(json.loads(self.rfile.read(length))["message"])  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextmanager
def listening_chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Configures a channel and gives the messages that arrive there."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Chat)
    server.messages = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("AIRFLOW_VAR_APPRISE_URLS", f"json://127.0.0.1:{server.server_port}/")
    yield server.messages  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()
    thread.join()
