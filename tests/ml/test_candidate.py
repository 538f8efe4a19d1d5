"""From samples to a verdict and into production, with real forests and real files."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from ml.contract import FEATURES, REGIMES
from ml.errors import ModelBroken, TooFewSamples
from ml.evaluation.promotion import PromotionThresholds
from ml.evaluation.validation import judge_candidate
from ml.onnx_model import load_model, read_metadata, score
from ml.registry.deployment import deploy_candidate
from ml.registry.models import read_candidate, write_candidate
from ml.report.text import text_report
from ml.training import candidate
from ml.training.candidate import build_candidate
from tests.ml.test_acceptance import rounded_up

CONTRACT_METRICS = {
    "test_accuracy", "train_accuracy", "cv_accuracy", "balanced_accuracy", "macro_f1",
    "total_samples", "train_samples", "holdout_samples", "class_counts", "majority_accuracy",
    "production_accuracy", "model_sha256", "data_fingerprint", "trained_at", "deployed_at",
    "run_id", "train_start", "train_end", "holdout_start", "holdout_end",
}  # fmt: skip
RUN = "manual__2026-11-22T02:00:00+00:00"
NOW = datetime(2026, 11, 22, 2, 15, tzinfo=UTC)


@pytest.fixture
def models_dir(tmp_path, built):
    write_candidate(tmp_path, RUN, built.files())
    return tmp_path


def judge(models_dir, samples, accuracy=0.5, run_id=RUN):
    thresholds = PromotionThresholds(accuracy, min_holdout_days=1)
    return judge_candidate(models_dir, run_id, samples, thresholds)


def test_metrics_have_every_key_of_the_contract_and_are_json(built):
    assert set(built.metrics) >= CONTRACT_METRICS
    assert json.loads(json.dumps(built.metrics, allow_nan=False)) == built.metrics
    assert built.metrics["production_accuracy"] is None
    assert built.metrics["deployed_at"] is None
    assert built.metrics["trained_at"] == "2026-11-22T02:00:00+00:00"


def test_metrics_add_up(built):
    metrics = built.metrics
    parts = (metrics[f"{part}_samples"] for part in ("train", "embargoed", "holdout"))

    assert sum(parts) == metrics["total_samples"] == sum(metrics["class_counts"].values()) == 600
    assert metrics["train_end"] < metrics["holdout_start"]
    assert np.sum(metrics["confusion_matrix"]) == metrics["holdout_samples"]
    assert sum(metrics["feature_importances"].values()) == pytest.approx(1)
    assert set(metrics["feature_importances"]) == set(FEATURES)


def test_accuracy_is_that_of_the_file_on_the_newest_rows(built, samples):
    newest = samples.rows(slice(len(samples) - built.metrics["holdout_samples"], len(samples)))
    named, _ = score(load_model(built.model), newest.features)

    assert built.metrics["test_accuracy"] == np.mean(named == newest.labels)


def test_file_says_what_it_is(built):
    metadata = read_metadata(load_model(built.model))

    assert json.loads(metadata["features"]) == list(FEATURES)
    assert json.loads(metadata["labels"]) == list(REGIMES)
    assert json.loads(metadata["metrics"])["test_accuracy"] == built.metrics["test_accuracy"]
    assert metadata["train_end"] == built.metrics["train_end"]
    assert metadata["data_fingerprint"] == "f" * 32
    assert metadata["total_samples"] == "600"
    assert "onnxruntime" in json.loads(metadata["versions"])
    assert metadata["git_commit"] == "c" * 40
    assert metadata["seed"] == "42"
    settings = json.loads(metadata["settings"])
    assert settings["trees"] == 20
    assert settings["embargo_hours"] == 24
    assert "n_jobs" not in settings


def test_numbers_of_the_holdout_stand_beside_those_of_simple_rules(built):
    metrics = built.metrics
    low, high = metrics["accuracy_interval"]

    assert low <= metrics["test_accuracy"] <= high
    assert metrics["baselines"]["most_frequent"] == metrics["majority_accuracy"]
    assert metrics["baselines"]["last_label"] < 0.5 < metrics["test_accuracy"]
    assert sum(row["samples"] for row in metrics["per_symbol"]) == metrics["holdout_samples"]
    assert sum(row["samples"] for row in metrics["calibration_bins"]) == metrics["holdout_samples"]
    assert 0 < metrics["log_loss"] < 1.95
    assert 0 < metrics["latency_ms"] < 100
    assert set(metrics["permutation_importances"]) == set(FEATURES)
    assert [row["psi"] for row in metrics["drift"]] == sorted(
        (row["psi"] for row in metrics["drift"]), reverse=True
    )


def test_file_that_answers_otherwise_than_the_forest_is_no_candidate(monkeypatch, samples, build):
    """Thresholds rounded up to the next float32, as a converter may."""
    export = candidate.export_forest
    monkeypatch.setattr(candidate, "export_forest", lambda forest: rounded_up(export(forest)))

    with pytest.raises(ModelBroken, match="probabilities differ by more than 1e-05"):
        build(samples)


def test_candidate_of_another_run_on_the_same_data_has_the_same_bytes(
    built, build, samples, options, provenance
):
    later = replace(
        provenance, run_id="other", snapshot_table="other", trained_at=NOW + timedelta(days=7)
    )
    again = build(samples, options=replace(options, n_jobs=2), provenance=later)

    assert again.model == built.model
    assert again.sha256 == built.sha256


def test_samples_of_one_regime_are_refused(make_samples, build):
    with pytest.raises(TooFewSamples, match="different regimes"):
        build(make_samples(300, regimes=(3,)))


def test_build_of_too_few_samples_is_refused(make_samples, build):
    with pytest.raises(TooFewSamples, match="holdout"):
        build(make_samples(40))


def test_regime_absent_from_training_only_is_judged_as_wrong(samples, build):
    labels = samples.labels.copy()
    labels[:480][labels[:480] == 6] = 0
    built = build(replace(samples, labels=labels))

    assert built.metrics["train_class_counts"]["distribution"] == 0
    assert built.metrics["holdout_class_counts"]["distribution"] > 0
    assert built.metrics["regimes"][6]["recall"] == 0


def test_first_candidate_is_deployed_and_its_verdict_is_kept(models_dir, samples, built):
    decision = judge(models_dir, samples)
    kept = read_candidate(models_dir, RUN).metrics

    assert decision.deploy
    assert kept["decision"] == json.loads(json.dumps(decision.to_dict()))
    assert decision.evidence.accuracy == built.metrics["test_accuracy"]
    assert decision.evidence.majority_accuracy == built.metrics["majority_accuracy"]
    report = (models_dir / read_candidate(models_dir, RUN).folder / "report.txt").read_text()
    assert "Verdict: Passed" in report
    assert decision.reasons[0] in report


def test_candidate_below_the_floor_is_not_deployed(models_dir, samples):
    decision = judge(models_dir, samples, accuracy=0.999)

    assert not decision.deploy
    assert "is below the floor of 99.9% (MIN_ACCURACY)" in decision.reasons[0]


def test_model_without_signal_does_not_pass(tmp_path, make_samples, build):
    noise = make_samples(600, signal=0.0)
    write_candidate(tmp_path, RUN, build(noise).files())

    assert not judge(tmp_path, noise, accuracy=0.65).deploy


def test_same_model_again_is_kept_out(models_dir, samples, built):
    deploy_candidate(models_dir, RUN, built.sha256, NOW)
    write_candidate(models_dir, "next", built.files())
    decision = judge(models_dir, samples, run_id="next")

    assert not decision.deploy
    assert "is not better than production's" in decision.reasons[0]
    assert "this very model is in production already" in decision.notes
    assert decision.to_dict()["production_accuracy"] == decision.evidence.accuracy


def test_better_model_replaces_a_worse_one(tmp_path, samples, make_samples, build, built):
    noise = make_samples(600, signal=0.0)
    worse = build(noise)
    write_candidate(tmp_path, "old", worse.files())
    deploy_candidate(tmp_path, "old", worse.sha256, NOW)
    write_candidate(tmp_path, RUN, built.files())
    decision = judge(tmp_path, samples)

    assert decision.deploy
    kept = read_candidate(tmp_path, RUN).metrics
    assert kept["production_accuracy"] == decision.to_dict()["production_accuracy"] < 0.5
    assert kept["production_sha256"] == worse.sha256
    regimes = kept["recall_against_production"]
    assert sum(row["rows"] for row in regimes) == kept["decision"]["comparison"]["rows"]
    correct = sum(row["rows"] * row["candidate"] for row in regimes)
    assert round(correct) == kept["decision"]["comparison"]["candidate_correct"]
    pairs = kept["decision"]["comparison"]
    assert pairs["difference_interval"][0] > 0
    assert pairs["p_value"] == decision.evidence.comparison.p_value < 1e-6
    periods = kept["accuracy_over_time"]
    assert all(row["production_accuracy"] < row["accuracy"] for row in periods)
    done = deploy_candidate(tmp_path, RUN, built.sha256, NOW)
    assert done.backup.endswith(worse.sha256[:8])
    metrics = json.loads((tmp_path / "regime_detector_metrics.json").read_text())
    assert metrics["production_accuracy"] == decision.to_dict()["production_accuracy"]
    assert metrics["deployed_at"] == "2026-11-22T02:15:00+00:00"


def test_broken_production_does_not_keep_a_good_candidate_out(models_dir, samples):
    (models_dir / "regime_detector.onnx").write_bytes(b"garbage")
    decision = judge(models_dir, samples)

    assert decision.deploy
    assert decision.notes[0].startswith("PRODUCTION COULD NOT BE SCORED")
    assert (
        "PRODUCTION COULD NOT BE SCORED"
        in (models_dir / read_candidate(models_dir, RUN).folder / "report.txt").read_text()
    )


def test_judging_on_other_samples_is_refused(models_dir, make_samples):
    with pytest.raises(ModelBroken, match="holdout rows from"):
        judge(models_dir, make_samples(500))


def test_judging_twice_gives_the_same_verdict(models_dir, samples):
    assert judge(models_dir, samples) == judge(models_dir, samples)


def test_report_before_the_verdict_says_so(built):
    assert "Verdict: not judged yet" in text_report(built.metrics)
    assert all(regime in text_report(built.metrics) for regime in REGIMES)


def test_build_without_room_for_cross_validation_has_no_cv_accuracy(
    make_samples, options, provenance
):
    few = make_samples(150)
    built = build_candidate(few, options, 0.2, timedelta(hours=55), provenance)

    assert built.metrics["cv_accuracy"] is None
    assert "not known" in text_report(built.metrics)


def test_file_says_how_right_it_is_where_it_is_sure(built, samples, options, provenance):
    metadata = read_metadata(load_model(built.model))
    told = json.loads(metadata["accuracy_by_confidence"])
    strict = build_candidate(
        *(samples, options, 0.2, timedelta(hours=24), provenance), min_accuracy=0.999
    )

    assert told == built.metrics["accuracy_by_confidence"]
    assert told["rows"][0]["accuracy"] == pytest.approx(built.metrics["test_accuracy"], abs=1e-3)
    assert (told["floor"], built.metrics["settings"]["min_accuracy"]) == (0.65, 0.65)
    assert strict.metrics["accuracy_by_confidence"]["cut"] > told["cut"]
    assert strict.metrics["forest_sha256"] == built.metrics["forest_sha256"]


def test_versions_that_changed_since_production_are_noted(models_dir, samples, built):
    former = {"versions": built.metrics["versions"] | {"numpy": "1.0"}}
    write_candidate(models_dir, RUN, replace(built, metrics=built.metrics | former).files())
    deploy_candidate(models_dir, RUN, built.sha256, NOW)
    write_candidate(models_dir, "next", built.files())
    decision = judge(models_dir, samples, run_id="next")

    now = built.metrics["versions"]["numpy"]
    changed = f"versions have changed since production was trained: numpy 1.0 -> {now}"
    assert changed in decision.notes
