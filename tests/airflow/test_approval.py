"""Approval, asset and rollback in a running Airflow: people answer by REST."""

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from ml.registry.hold import read_hold
from tests.airflow.conftest import DAG, ROLLBACK, Place
from tests.dags.small_models import START, WEEK, deploy, small_candidates
from tests.services.scheduler import USER, Airflow, wait_until

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]

TASK = "approve_deployment"


@pytest.fixture(scope="module")
def place(place_at: Callable[[str], Place]) -> Place:
    return place_at("approval")


def _asked(place: Place) -> tuple[str, dict[str, Any]]:
    run_id = place.airflow.trigger(DAG, require_approval=True)
    return run_id, place.airflow.question(DAG, run_id, TASK)


def _restarts(airflow: Airflow) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = airflow.get("dags/application_restart/dagRuns")["dag_runs"]
    return runs


@pytest.mark.full
def test_rejected_model_is_not_deployed_and_the_message_names_who_and_the_numbers(
    place: Place,
) -> None:
    before, restarts = len(place.chat), _restarts(place.airflow)
    run_id, question = _asked(place)
    assert (question["options"], question["defaults"]) == (["Approve", "Reject"], ["Reject"])
    assert "| candidate |" in question["body"] and "MIN_ACCURACY" in question["body"]
    (asked,) = place.told(before)
    assert asked.startswith("✋ Regime Detection Model Awaits Approval")
    assert f"/tasks/{TASK}/required_actions" in asked

    place.airflow.answer(DAG, run_id, TASK, "Reject")
    state, tasks = place.airflow.finished(DAG, run_id)
    assert (state, tasks["deploy_model"], tasks["skip_deployment"]) == (
        "success",
        "skipped",
        "success",
    )
    assert not (place.home.models / "regime_detector.onnx").exists()
    _, ended = place.told(before)
    assert f"Model not deployed: rejected by {USER}, although accuracy" in ended
    assert "Production model unchanged." in ended
    (metrics,) = place.home.models.glob("candidates/*/metrics.json")
    assert f'"by": "{USER}"' in metrics.read_text(encoding="utf-8")
    assert _restarts(place.airflow) == restarts


@pytest.mark.full
def test_question_without_an_answer_leaves_production_after_its_time(place: Place) -> None:
    before = len(place.chat)
    run_id, _ = _asked(place)
    with closing(sqlite3.connect(place.airflow.folder / "airflow.db")) as database, database:
        database.execute(
            "UPDATE task_instance SET trigger_timeout = datetime('now', '-1 minute') "
            "WHERE run_id = ? AND task_id = ? AND trigger_timeout > datetime('now', '+70 hours')",
            (run_id, TASK),
        )
    state, tasks = place.airflow.finished(DAG, run_id)
    assert (state, tasks["deploy_model"]) == ("success", "skipped")
    assert "Model not deployed: nobody approved it within 3 days" in place.told(before)[1]


def test_approved_model_is_deployed_and_the_readmes_consumer_runs(place: Place) -> None:
    before, restarts = len(place.chat), len(_restarts(place.airflow))
    run_id, _ = _asked(place)
    assert place.home.files().get("regime_detector.onnx") is None
    place.airflow.answer(DAG, run_id, TASK, "Approve")
    state, tasks = place.airflow.finished(DAG, run_id)
    assert (state, tasks["deploy_model"], tasks["skip_deployment"]) == (
        "success",
        "success",
        "skipped",
    )
    _, ended = place.told(before)
    assert "Model deployed to production." in ended and f"• approved by {USER}" in ended

    metrics = place.home.metrics()
    event, *_ = place.airflow.get("assets/events?order_by=-timestamp")["asset_events"]
    assert event["name"] == "regime_model"
    details = event["extra"]
    assert details["sha256"] == metrics["model_sha256"]
    assert (details["run_id"], details["accuracy"]) == (run_id, metrics["test_accuracy"])
    assert details["versions"] == metrics["versions"]
    assert details["path"] == str(place.home.models / "regime_detector.onnx")

    wait_until(lambda: len(_restarts(place.airflow)) > restarts, "the consumer's run", 60)
    restart = _restarts(place.airflow)[-1]
    state, _ = place.airflow.finished("application_restart", restart["dag_run_id"])
    assert state == "success"


@pytest.mark.full
def test_model_that_is_not_better_is_not_asked_about_and_makes_no_event(place: Place) -> None:
    before, events = len(place.chat), place.airflow.get("assets/events")["total_entries"]
    run_id = place.airflow.trigger(DAG, require_approval=True)
    state, tasks = place.airflow.finished(DAG, run_id)
    assert (state, tasks[TASK], tasks["skip_deployment"]) == ("success", "skipped", "success")
    assert len(place.told(before)) == 1
    assert place.airflow.get("assets/events")["total_entries"] == events


def test_rollback_to_a_named_backup_is_told_and_the_consumer_hears_of_it(place: Place) -> None:
    first, second, third = small_candidates(3)
    for week, candidate in enumerate((first, second, third)):
        deploy(place.home.models, candidate, START + week * WEEK)
    before, restarts = len(place.chat), len(_restarts(place.airflow))
    (oldest,) = place.home.models.glob(f"backups/*{first.sha256[:8]}")
    run_id = place.airflow.trigger(ROLLBACK, to=oldest.name)
    state, _ = place.airflow.finished(ROLLBACK, run_id)
    assert state == "success"
    assert place.home.metrics()["model_sha256"] == first.sha256
    (message,) = place.told(before)
    assert f"model of run {first.metrics['run_id']}" in message
    assert f"replaced the model of run {third.metrics['run_id']}" in message
    newest = place.airflow.get("assets/events?order_by=-timestamp")["asset_events"][0]
    assert newest["extra"]["sha256"] == first.sha256
    wait_until(lambda: len(_restarts(place.airflow)) > restarts, "the consumer's run", 60)


@pytest.mark.full
def test_what_a_person_put_back_stays_until_a_person_approves(place: Place) -> None:
    """An ordinary run, which asks because a rollback holds and because the folder is another."""
    before, metrics = len(place.chat), place.home.metrics()
    held = metrics["model_sha256"]
    # It was trained on no market, so the data gate would reject every one.
    of_another = {"edges": [1.0], "counts": [1, 1], "constant": False, "whole": False}
    profile = {"symbol_days": 1, "regimes": {}, "features": {"of_no_rule": of_another}}
    without = json.dumps({**metrics, "profile": profile})
    (place.home.models / "regime_detector_metrics.json").write_text(without, encoding="utf-8")
    newest = place.airflow.get("assets/events?order_by=-timestamp")["asset_events"][0]
    place.airflow.add_asset_event(newest, path="/elsewhere/regime_detector.onnx")
    run_id = place.airflow.trigger(DAG)
    question = place.airflow.question(DAG, run_id, TASK)
    told = "the last deployment wrote /elsewhere/regime_detector.onnx"
    assert f"names {place.home.models}/regime_detector.onnx, {told}" in question["body"]
    assert re.search(f"production was put back by hand on .* by {USER}", question["body"])
    assert place.home.metrics()["model_sha256"] == held
    assert "production was put back by hand" in place.told(before)[0]

    place.airflow.answer(DAG, run_id, TASK, "Approve")
    state, tasks = place.airflow.finished(DAG, run_id)
    assert (state, tasks["deploy_model"]) == ("success", "success")
    assert place.home.metrics()["run_id"] == run_id
    assert read_hold(place.home.models) is None

    # Several deployments are on record by now, the last of them here.
    run_id = place.airflow.trigger(DAG)
    state, tasks = place.airflow.finished(DAG, run_id)
    assert (state, tasks["skip_deployment"]) == ("success", "success")
    assert "MODELS_DIR has changed" not in place.chat[-1]
