"""Data made to fool a careless evaluation: what looks good must not be promoted."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from ml.data.samples import Samples
from ml.data.split import split_by_time
from ml.errors import ModelError, TooFewSamples
from ml.evaluation.comparison import score_on_holdout
from ml.evaluation.promotion import PromotionThresholds, decide
from ml.evaluation.validation import judge_candidate
from ml.onnx_model import load_model
from ml.registry.models import write_candidate
from ml.training.export import export_forest
from ml.training.forest import TrainingOptions, fit_forest
from tests.ml.conftest import EMBARGO

pytestmark = pytest.mark.slow

HOUR = np.timedelta64(3600, "s")
START = np.datetime64("2026-01-01T00:00:00", "s")


@pytest.fixture(scope="module")
def leaking():
    """Regimes in blocks of a week and features that wander without knowing them.

    Neighbours look alike and have the same label, so a random split finds each holdout row's twin
    in training.
    """
    rng = np.random.default_rng(4)
    count, block = 4_200, 168
    labels = np.repeat(rng.integers(0, 7, count // block), block).astype(np.uint8)
    features = np.cumsum(rng.normal(size=(count, 22)), axis=0).astype(np.float32)
    return Samples(features, labels, START + np.arange(count) * HOUR, np.full(count, "A", object))


def test_leak_that_a_random_split_rewards_is_worth_nothing_out_of_time(leaking, build, options):
    X, hidden, y, answers = train_test_split(
        leaking.features, leaking.labels, test_size=0.2, random_state=0
    )
    random_split = float((fit_forest(X, y, options).predict(hidden) == answers).mean())
    metrics = build(leaking).metrics

    assert random_split > 0.8
    assert metrics["train_accuracy"] > 0.8
    assert metrics["test_accuracy"] <= max(metrics["baselines"].values())
    assert metrics["cv_accuracy"] < 0.4


def test_leaking_candidate_is_not_deployed(tmp_path, leaking, build):
    write_candidate(tmp_path, "run", build(leaking).files())

    assert not judge_candidate(tmp_path, "run", leaking, PromotionThresholds()).deploy


@pytest.fixture(scope="module")
def honest_production(samples, options):
    split = split_by_time(samples.timestamps, 0.2, EMBARGO)
    train = samples.rows(split.training)
    window = {"train_start": "2026-01-01T00:00:00", "train_end": str(train.timestamps[-1])}
    forest = fit_forest(train.features, train.labels, options)
    return split, export_forest(forest, window)


@pytest.mark.parametrize("floor", [0.65, 0.0])
def test_candidates_trained_on_shuffled_labels_are_never_deployed(
    samples, honest_production, floor
):
    """At 65% by the floor; without one, by the model in production."""
    split, production = honest_production
    train, holdout = samples.rows(split.training), samples.rows(split.holdout)
    deployed = []
    for seed in range(50):
        labels = np.random.default_rng(seed).permutation(train.labels)
        forest = fit_forest(train.features, labels, TrainingOptions(trees=10, seed=seed, n_jobs=1))
        session = load_model(export_forest(forest))
        known = None if floor else production
        found = score_on_holdout(holdout, session, known, "range")
        deployed.append(decide(found.evidence, PromotionThresholds(floor)).deploy)

    assert not any(deployed)


def test_shuffled_labels_are_the_reason_that_none_was_deployed(samples, honest_production):
    split, production = honest_production
    holdout = samples.rows(split.holdout)
    found = score_on_holdout(holdout, load_model(production), None, "range")

    assert decide(found.evidence, PromotionThresholds()).deploy


def test_labels_sorted_in_time_are_judged_and_not_deployed(tmp_path, make_samples, build):
    """The regimes of the holdout are none that training has seen."""
    samples = make_samples(700)
    ordered = replace(samples, labels=np.sort(samples.labels))
    built = build(ordered)
    write_candidate(tmp_path, "run", built.files())
    decision = judge_candidate(tmp_path, "run", ordered, PromotionThresholds(min_accuracy=0.0))

    assert built.metrics["train_class_counts"]["distribution"] == 0
    assert any(
        note.startswith("these regimes can hardly be predicted: ")
        and "distribution (no training samples)" in note
        for note in decision.notes
    )
    assert built.metrics["test_accuracy"] < 0.5
    assert not decision.deploy
    assert "does not beat always naming" in decision.reasons[0]


@pytest.mark.parametrize("regimes", [(0, 2, 3, 6), (2, 5)])
def test_missing_regimes_have_no_rows_and_no_probability(make_samples, build, regimes):
    samples = make_samples(400, regimes=regimes)
    metrics = build(samples).metrics

    for index, row in enumerate(metrics["regimes"]):
        assert (row["support"] > 0) == (index in regimes)
    assert metrics["test_accuracy"] > 0.9
    assert metrics["log_loss"] < 1


def test_three_hundred_rows_are_enough(tmp_path, make_samples, build):
    samples = make_samples(300)
    built = build(samples)
    write_candidate(tmp_path, "run", built.files())
    decision = judge_candidate(tmp_path, "run", samples, PromotionThresholds())

    assert built.metrics["holdout_samples"] == 60
    assert built.metrics["cv_accuracy"] is not None
    low, high = built.metrics["accuracy_interval"]
    assert low <= built.metrics["test_accuracy"] <= high
    assert decision.deploy
    assert any("the holdout's 60 rows come from 2 days" in doubt for doubt in decision.doubts)


def test_one_symbol_is_enough(make_samples, build):
    metrics = build(make_samples(400, symbols=("BTC",))).metrics

    assert [row["symbol"] for row in metrics["per_symbol"]] == ["BTC"]
    assert metrics["per_symbol"][0]["accuracy"] == metrics["test_accuracy"]


def test_many_symbols_of_each_moment_are_never_cut_apart(make_samples, build):
    samples = make_samples(3_500, symbols=tuple(f"S{k:02d}" for k in range(35)))
    metrics = build(samples).metrics

    assert metrics["holdout_samples"] % 35 == 0
    assert metrics["train_end"] < metrics["holdout_start"]


def test_samples_of_one_moment_only_are_refused(make_samples, build):
    samples = make_samples(300, symbols=tuple(f"S{k:03d}" for k in range(300)))

    with pytest.raises(TooFewSamples):
        build(samples)


def test_sample_given_twice_is_refused(samples):
    twice = np.repeat(np.arange(len(samples)), 2)

    with pytest.raises(ModelError, match="two samples of one timestamp"):
        Samples(
            samples.features[twice],
            samples.labels[twice],
            samples.timestamps[twice],
            samples.symbols[twice],
        )
