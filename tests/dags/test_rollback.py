"""The DAG `regime_model_rollback` through the real Airflow, on models the real DAG deployed."""

import pytest

from pipeline.tasks.roll_back import roll_back_model as roll_back
from tests.dags.small_models import START, WEEK, deploy, small_candidates

# Airflow and what it is made of raise deprecations of their own.
pytestmark = pytest.mark.filterwarnings("default")

DAG = "regime_model_rollback"


@pytest.fixture(scope="module")
def candidates():
    return small_candidates(3)


@pytest.fixture
def two_deployed(home, candidates):
    """A home where a second model has replaced a first, and what each looked like."""
    deploy(home.models, candidates[0], START)
    first = _pair(home)
    deploy(home.models, candidates[1], START + WEEK)
    return first, _pair(home)


def _pair(home):
    return (home.models / "regime_detector.onnx").read_bytes(), home.metrics()


def _names(home):
    return sorted(folder.name for folder in (home.models / "backups").iterdir())


def test_rollback_without_any_input_brings_the_newest_backup_and_tells(home, two_deployed, chat):
    (model, metrics), (replaced, replaced_metrics) = two_deployed
    (backup,) = _names(home)
    run = home.run(dag_id=DAG)
    assert (run.state, set(run.tasks.values())) == ("success", {"success"})
    restored, told = _pair(home)
    assert restored == model
    assert told["model_sha256"] == metrics["model_sha256"]
    (kept,) = set(_names(home)) - {backup}
    assert (home.models / "backups" / kept / "regime_detector.onnx").read_bytes() == replaced
    (message,) = chat
    assert message.startswith("⏪ Regime Detection Model Rolled Back")
    assert f"📊 Test Accuracy: {metrics['test_accuracy']:.1%}" in message
    assert f"model of run {metrics['run_id']}" in message
    assert f"replaced the model of run {replaced_metrics['run_id']}" in message
    assert f"kept in backups/{kept}" in message
    event = run.xcoms["roll_back return_value"]
    assert event["accuracy"] == metrics["test_accuracy"]
    assert event["versions"] == metrics["versions"]
    assert "Backups, newest first" in run.log


@pytest.mark.full
def test_rollback_twice_ends_where_it_began(home, two_deployed):
    _, (second, _) = two_deployed
    home.run(dag_id=DAG)
    home.run(dag_id=DAG)
    assert _pair(home)[0] == second


def test_rollback_to_a_named_backup(home, two_deployed, candidates):
    (model, _), _ = two_deployed
    (oldest,) = _names(home)
    deploy(home.models, candidates[2], START + 2 * WEEK)
    assert home.run({"to": oldest}, dag_id=DAG).state == "success"
    assert _pair(home)[0] == model


def test_rollback_repeated_after_a_killed_worker_does_not_undo_itself(home, two_deployed):
    (model, _), _ = two_deployed
    calls = []

    def roll_back_then_die(*given, **who):
        result = roll_back(*given, **who)
        calls.append(result)
        if len(calls) == 1:
            raise OSError("killed")
        return result

    home.monkeypatch.setattr("pipeline.tasks.roll_back.roll_back_model", roll_back_then_die)
    run = home.run(dag_id=DAG)
    assert (run.state, run.tries["roll_back"], len(calls)) == ("success", 2, 2)
    assert _pair(home)[0] == model


def test_rollback_with_nothing_to_go_back_to_fails_at_once_and_says_so(home, chat):
    run = home.run(dag_id=DAG)
    assert (run.state, run.tries["roll_back"]) == ("failed", 1)
    (message,) = chat
    assert message.startswith("❌ Regime Detection Model Rollback Failed\n\nTask: roll_back")
    assert "backup" in message


def test_rollback_to_an_unknown_backup_changes_nothing_and_says_so(home, two_deployed, chat):
    before = home.files()
    run = home.run({"to": "no-such-backup"}, dag_id=DAG)
    assert (run.state, run.tries["roll_back"]) == ("failed", 1)
    assert home.files() == before
    assert "no-such-backup" in chat[0]
