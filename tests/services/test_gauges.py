"""What the pipeline tells of itself reaches an OpenTelemetry collector, from real tasks."""

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from pipeline import gauges
from tests.dags.home import Home, embedded_home
from tests.services.metrics import Gauge, listening_collector
from tests.services.scheduler import Airflow, running_airflow, wait_until
from tests.services.server import REPOSITORY

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]

DAG = "regime_model_training"


@pytest.fixture
def home(tmp_path: Path, market: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> Home:
    home = embedded_home(tmp_path, monkeypatch, lambda: "")
    home.load(market)
    return home


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Gauge]]:
    with listening_collector() as (address, gauges):
        monkeypatch.setenv("AIRFLOW__METRICS__OTEL_ON", "True")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", f"{address}/v1/metrics")
        yield gauges


@pytest.fixture
def airflow(tmp_path: Path, home: Home, told: list[Gauge]) -> Iterator[Airflow]:
    dags = tmp_path / "dags"
    shutil.copytree(REPOSITORY / "dags", dags, ignore=shutil.ignore_patterns("__pycache__"))
    training = dags / f"{DAG}.py"
    training.write_text(training.read_text("utf-8").replace('"0 2 * * 0"', "None"), "utf-8")
    with running_airflow(tmp_path / "airflow", dags) as started:
        yield started


def test_each_run_tells_rows_verdict_accuracy_and_moment_of_deployment(
    airflow: Airflow, home: Home, told: list[Gauge]
) -> None:
    def ours(run: str) -> dict[str, float]:
        """What a run told, without Airflow's own gauges."""
        airflow.finished(DAG, run)
        wait_until(lambda: bool(_ours(told)), "the gauges of the run", 30)
        found = dict(_ours(told))
        told.clear()
        return found

    airflow.unpause(DAG)
    deployed = ours(airflow.trigger(DAG))
    metrics = home.metrics()
    since = int(datetime.fromisoformat(metrics["deployed_at"]).timestamp())
    assert deployed == {
        gauges.LABELLED_ROWS: 2000,
        gauges.GATE_PASSED: 1,
        gauges.ACCURACY: metrics["test_accuracy"],
        gauges.DEPLOYED_AT: since,
    }

    kept = ours(airflow.trigger(DAG))
    assert kept[gauges.DEPLOYED_AT] == since
    assert kept[gauges.ACCURACY] == pytest.approx(metrics["test_accuracy"])

    rejected = ours(airflow.trigger(DAG, min_labeled_samples=1_000_000))
    assert rejected == {gauges.LABELLED_ROWS: 2000, gauges.GATE_PASSED: 0}


def _ours(told: list[Gauge]) -> list[Gauge]:
    prefix = "airflow."
    return [
        (name.removeprefix(prefix), value)
        for name, value in list(told)
        if name.startswith(f"{prefix}regime_model.")
    ]
