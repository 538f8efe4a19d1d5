"""Confidence, baselines, slices, importances and drift are what they say."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from ml.contract import FEATURES, PRICED, REGIMES
from ml.data.profile import input_drift
from ml.data.samples import Samples, utc
from ml.evaluation.diagnostics import (
    impurity_importances,
    permutation_importances,
    predict_simply,
)
from ml.evaluation.scores import measure_confidence
from ml.evaluation.slices import (
    accuracy_at_changes,
    accuracy_by_symbol,
    accuracy_of_newest,
    accuracy_over_time,
    strips,
    worst_errors,
)
from ml.inputs import INPUTS
from ml.onnx_model import load_model
from ml.training.export import export_forest
from ml.training.forest import fit_forest


def shares(rows, sure):
    """Probabilities that give `sure` to the first regime and the rest to the second."""
    return np.tile([sure, 1 - sure, 0, 0, 0, 0, 0], (rows, 1))


def test_calibration_error_of_a_model_as_sure_as_it_is_right_is_zero():
    truth = np.array([0] * 8 + [1] * 2)
    measured = measure_confidence(truth, shares(10, 0.8))

    assert measured.calibration_error == pytest.approx(0)
    assert [b.samples for b in measured.bins] == [10]
    assert measured.log_loss == pytest.approx(-(0.8 * np.log(0.8) + 0.2 * np.log(0.2)))


def test_calibration_error_of_a_model_too_sure_is_the_distance():
    measured = measure_confidence(np.array([0, 1]), shares(2, 0.9))

    assert measured.calibration_error == pytest.approx(0.4)


def test_log_loss_of_a_true_regime_held_impossible_is_finite():
    measured = measure_confidence(np.array([6]), shares(1, 0.6))

    assert 30 < measured.log_loss < 40


def test_calibration_bins_hold_every_row_also_those_quite_sure():
    rng = np.random.default_rng(0)
    probabilities = np.concatenate([rng.dirichlet(np.ones(7), 500), np.eye(7)])
    measured = measure_confidence(rng.integers(0, 7, 507), probabilities)

    assert sum(b.samples for b in measured.bins) == 507
    confidences = [b.confidence for b in measured.bins]
    assert confidences == sorted(confidences)


def tiny(labels, symbols, moments):
    return Samples(
        np.zeros((len(labels), 22), np.float32),
        np.array(labels, np.uint8),
        np.datetime64("2026-01-01T00:00:00", "s") + np.array(moments) * np.timedelta64(3600, "s"),
        np.array(symbols, object),
    )


def test_baselines_are_those_of_a_person_who_sees_labels_only():
    samples = tiny(
        labels=[2, 2, 2, 1, 1, 1, 2, 1, 1],
        symbols=["A", "B", "A", "B", "A", "A", "B", "A", "C"],
        moments=[0, 0, 1, 1, 2, 3, 3, 4, 4],
    )
    # Holdout from moment 2: A 1 after 2, A 1 after 1, B 2 after 1, A 1 after 1, C 1 after nothing.
    found = predict_simply(samples, slice(0, 4), slice(4, 9))

    assert found["most_frequent"].tolist() == [2, 2, 2, 2, 2]
    assert found["last_label"].tolist() == [2, 1, 1, 1, 2]


def test_simple_models_of_what_one_split_tells_apart_are_right(make_samples):
    apart = make_samples(n=400)
    apart.features[:, FEATURES.index("adx")] = np.where(apart.labels == apart.labels[0], 10, 60)
    two = np.where(apart.labels == apart.labels[0], np.uint8(0), np.uint8(1))
    apart = replace(apart, labels=two)
    found = predict_simply(apart, slice(0, 300), slice(300, 400))

    assert (found["stump"] == two[300:]).all()
    assert (found["linear"] == two[300:]).mean() > 0.9


def test_slices_by_symbol_agree_with_sklearn(samples):
    named = np.roll(samples.labels, 1)
    right = named == samples.labels
    found = accuracy_by_symbol(samples, right)

    assert sum(row["samples"] for row in found) == len(samples)
    for row in found:
        mine = samples.symbols == row["symbol"]
        assert row["accuracy"] == accuracy_score(samples.labels[mine], named[mine])


def test_periods_hold_every_row_once_and_add_up(samples):
    right = np.random.default_rng(0).random(len(samples)) < 0.7
    periods = accuracy_over_time(samples, right)

    assert len(periods) == 12
    assert sum(row["samples"] for row in periods) == len(samples)
    correct = sum(row["samples"] * row["accuracy"] for row in periods)
    assert correct == pytest.approx(right.sum())
    assert all(a["end"] < b["start"] for a, b in pairwise(periods))
    assert {row["production_accuracy"] for row in periods} == {None}


def test_period_in_which_production_saw_all_rows_has_no_number_of_it(samples):
    right = np.ones(len(samples), bool)
    compared = samples.timestamps >= samples.timestamps[300]
    periods = accuracy_over_time(samples, right, compared, ~right)

    assert periods[0]["production_accuracy"] is None
    assert periods[-1]["production_accuracy"] == 0


def test_period_of_one_moment_is_one(samples):
    assert len(accuracy_over_time(samples.rows(slice(0, 2)), np.ones(2, bool))) == 1


@pytest.fixture(scope="module")
def two_features(samples, options):
    """A forest that can see adx alone, and one that sees nothing."""
    features = np.zeros_like(samples.features)
    features[:, FEATURES.index("adx")] = samples.labels
    only_adx = Samples(features, samples.labels, samples.timestamps, samples.symbols)
    return only_adx, fit_forest(features, samples.labels, options)


def test_importances_name_the_feature_that_decides(two_features):
    samples, forest = two_features
    session = load_model(export_forest(forest))
    lost = permutation_importances(session, samples)

    assert next(iter(lost)) == "adx"
    assert lost["adx"] > 0.3
    assert all(lost[name] == 0 for name in FEATURES if name != "adx")
    assert set(lost) == set(impurity_importances(forest)) == set(FEATURES)
    assert impurity_importances(forest)["adx"] == pytest.approx(1)


def test_importances_of_many_rows_are_of_the_rows_that_are_shuffled(two_features, make_samples):
    _, forest = two_features
    many = make_samples(6_000)
    features = np.zeros_like(many.features)
    # Right on about half of the rows: a little more or less on any part of them.
    features[:, FEATURES.index("adx")] = np.where(many.features[:, 0] > 0, many.labels, 0)
    half_right = replace(many, features=features)
    lost = permutation_importances(load_model(export_forest(forest)), half_right)

    assert lost["adx"] > 0.1
    assert all(lost[name] == 0 for name in FEATURES if name != "adx")


def test_importances_are_repeatable(model, samples):
    session = load_model(model)

    assert permutation_importances(session, samples) == permutation_importances(session, samples)


def test_drift_is_that_of_the_inputs_and_none_of_a_price_that_rose(samples):
    priced = [FEATURES.index(name) for name in PRICED]
    features = samples.features.copy()
    features[:, priced] = np.abs(features[:, priced]) + 1
    samples = replace(samples, features=features)
    still, moved = input_drift(samples, samples), features.copy()
    moved[:, FEATURES.index("funding_rate")] *= -1
    moved[:, FEATURES.index("funding_rate")] += 5 * moved.std()
    moved[:, priced] *= 4
    later = input_drift(
        samples, Samples(moved, samples.labels, samples.timestamps, samples.symbols)
    )

    assert [row["feature"] for row in still] == sorted(INPUTS, key=INPUTS.index)
    assert {row["psi"] for row in still} == {0.0}
    assert later[0]["feature"] == "funding_rate"
    assert later[0]["psi"] > 1
    assert {row["psi"] for row in later[1:]} == {0.0}


def test_worst_errors_are_the_surest_and_name_row_and_regimes(samples):
    y_pred = samples.labels.astype(np.int64)
    y_pred[[3, 7]] = (y_pred[[3, 7]] + 1) % 7
    probabilities = np.full((len(samples), 7), 0.1)
    probabilities[3, y_pred[3]], probabilities[7, y_pred[7]] = 0.6, 0.8
    first, second = worst_errors(samples, y_pred, probabilities)

    assert (first["probability"], second["probability"]) == (0.8, 0.6)
    assert first["symbol"] == samples.symbols[7]
    assert first["timestamp"] == utc(samples.timestamps[7]).isoformat()
    assert (first["true"], first["predicted"]) == (
        REGIMES[samples.labels[7]],
        REGIMES[y_pred[7]],
    )


def test_strips_and_changes_follow_each_symbol(samples):
    some = samples.rows(slice(0, 8))
    some = Samples(
        some.features, np.array([0, 2, 0, 2, 1, 2, 1, 2], np.uint8), some.timestamps, some.symbols
    )
    first, second = strips(some, some.labels.astype(np.int64))

    assert [span[2] for span in first["true"]] == [0, 1]
    assert [span[2] for span in second["true"]] == [2]
    assert first["true"][0][0] == 0 and first["true"][-1][1] == 1
    assert first["predicted"] == first["true"]
    right = np.array([True] * 4 + [False] + [True] * 3)
    assert accuracy_at_changes(some, right) == {"rows": 1, "accuracy": 0.0}
    assert accuracy_of_newest(some, right) == {"rows": 8, "accuracy": 7 / 8}
