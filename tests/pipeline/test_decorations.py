"""What only adorns a run, such as a gauge or a link, never fails it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ml.registry.store import Folder
from pipeline import gauges
from pipeline.tasks.deploy_model import event_details
from pipeline.ui.addresses import links_of_task

TASK = SimpleNamespace(
    dag_id="regime_model_training", run_id="r", task_id="deploy_model", log_url="http://af/log"
)


@pytest.mark.parametrize("deployed_at", ["yesterday", 7])
def test_gauge_of_a_time_that_is_none_is_left_out(deployed_at: Any, caplog: Any) -> None:
    gauges.tell_of_production(0.7, deployed_at)
    gauges.tell_of_data("many", None)  # type: ignore[arg-type]
    assert caplog.text.count("gauge of production is left out") == 1


@pytest.mark.parametrize("url", ['"http://docs"', "http://docs\nhttp://more", "http://[docs"])
def test_link_to_a_site_that_is_none_costs_only_itself(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setattr("pipeline.settings.Variable.get", lambda *_, **__: url)
    links = links_of_task(TASK, "/docs/validations/a/b/c/page.html")
    assert {"Run", "Log", "Report"} <= set(links)


def test_base_url_that_is_none_costs_links_and_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> str:
        raise ValueError("Invalid IPv6 URL")

    monkeypatch.setattr("pipeline.ui.addresses.conf.get", broken)
    assert links_of_task(TASK) == {}


def test_event_says_what_was_deployed_also_where_its_metrics_cannot_be_read(
    tmp_path: Path,
) -> None:
    (tmp_path / "regime_detector.onnx").mkdir()
    details = event_details(Folder(tmp_path), {"run_id": "r"})
    assert details == {"run_id": "r", "accuracy": None, "versions": None}
