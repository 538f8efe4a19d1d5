"""What the pipeline tells of itself reaches an OpenTelemetry collector, from real tasks."""

import time
from collections.abc import Callable
from datetime import datetime

import pytest

from pipeline import gauges
from tests.airflow.conftest import DAG, SETTLED, Place
from tests.services.metrics import Gauge
from tests.services.scheduler import wait_until

pytestmark = [pytest.mark.full, pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]


def test_each_run_tells_rows_verdict_accuracy_and_moment_of_deployment(
    place_at: Callable[[str], Place],
) -> None:
    place = place_at("gauges")
    airflow, told = place.airflow, place.site.gauges
    time.sleep(SETTLED)  # for what the runs of other tests have to tell
    told.clear()

    def ours(run: str) -> dict[str, float]:
        """What a run told, without Airflow's own gauges."""
        airflow.finished(DAG, run)
        wait_until(lambda: bool(_ours(told)), "the gauges of the run", 30)
        found = dict(_ours(told))
        told.clear()
        return found

    deployed = ours(airflow.trigger(DAG))
    metrics = place.home.metrics()
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
