"""Replayed Sundays beside real runs of the training DAG, and the DAG that replays."""

import hashlib
import json
from datetime import timedelta
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from ml.evaluation.promotion import KEEP, PromotionThresholds
from ml.replay.plan import Plan
from ml.replay.run import replay
from ml.training.forest import TrainingOptions
from tests.dags.home import SMALL

pytestmark = pytest.mark.filterwarnings("default")


def test_replayed_sundays_equal_real_runs_byte_for_byte_and_word_for_word(
    home, market, tmp_path
) -> None:
    home.load(market)
    costs = tuple(tuple(float(a != b) + 0.1 * (a < b) for b in range(7)) for a in range(7))
    further = {"min_improvement": 0.01, "max_slice_loss": 0.02, "decision_costs": costs}
    thresholds = PromotionThresholds(min_accuracy=0.3, on_doubt=KEEP, **further)
    variables = {name.upper(): json.dumps(value) for name, value in further.items()}
    plan = Plan(3, options=TrainingOptions(**SMALL), thresholds=thresholds)
    engine = home.open()
    found = replay(engine, plan, tmp_path / "replay")
    engine.dispose()
    lines = found["timelines"]["yes"]
    for sunday, line in zip(found["sundays"], lines, strict=True):
        then = pd.Timestamp(sunday["sunday"]).tz_localize(None)
        source = home.open()
        with source.connect() as connection:
            connection.exec_driver_sql("TRUNCATE TABLE regime_features")
        source.dispose()
        home.load(market[market["timestamp"] < then])
        run = home.run(MIN_ACCURACY="0.3", ON_DOUBT="keep", **variables)
        decision = run.xcoms["validate_model decision"]
        (candidate,) = home.models.glob(f"candidates/*{_digest(run.run_id)}/model.onnx")
        sha256 = hashlib.sha256(candidate.read_bytes()).hexdigest()
        assert sha256 == sunday["model_sha256"]
        assert (decision["reasons"], decision["notes"]) == (line["reasons"], line["notes"])
        deployed = run.tasks["deploy_model"] == "success"
        assert ("deployed" if deployed else "kept") == line["outcome"]
    assert {line["outcome"] for line in lines} == {"deployed", "kept"}
    told = " ".join(reason for line in lines for reason in line["reasons"])
    assert "DECISION_COSTS" in told and "MAX_SLICE_LOSS" in told


def _digest(run_id: str) -> str:
    return hashlib.sha256(run_id.encode()).hexdigest()[:8]


def test_dag_replays_with_the_gate_and_leaves_production_alone(home, market, monkeypatch) -> None:
    home.load(market[market["timestamp"] < market["timestamp"].min() + timedelta(days=25)])
    home.put_production(b"production")
    before = home.files()
    small = partial(TrainingOptions, trees=8, cv_trees=2)
    monkeypatch.setattr("pipeline.tasks.replay.TrainingOptions", small)
    conf = {"weeks": 2, "gate": True, "min_labeled_samples": "500", "answer": "no"}
    run = home.run(conf, dag_id="regime_model_replay")
    assert run.state == "success"
    assert home.files() == before
    (page,) = home.docs.glob("replays/*/replay.html")
    found = json.loads(Path(page.parent / "replay.json").read_text(encoding="utf-8"))
    first, last = found["timelines"]["no"]
    assert (first["outcome"], last["outcome"] == "rejected") == ("rejected", False)
    stopped = found["sundays"][0]["stopped_by"]
    assert found["data_gate"] == {"stopped": 1, "rules": dict.fromkeys(stopped, 1)}
    assert "The data gate would have stopped 1 of 2 Sundays" in run.log
    assert "data gate" in found["sundays"][0]["problem"]


def test_wrong_setting_of_a_replay_is_told_as_the_replays(home, market, chat) -> None:
    home.load(market)
    run = home.run({"min_accuracy": "high"}, dag_id="regime_model_replay")
    assert run.state == "failed"
    (message,) = chat
    assert message.startswith("❌ Regime Detection Model Replay Failed")
    assert "MIN_ACCURACY is 'high'" in message
