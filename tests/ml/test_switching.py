"""Changes of regime as traders see them: how many, how late, how often taken back."""

import numpy as np
import pytest

from ml.data.samples import Samples
from ml.evaluation.switching import mean_cost, measure_switching

HOUR = np.timedelta64(3600, "s")


def holdout(labels, hours=None, symbols=("BTC",)):
    """Rows of each symbol hour by hour, or at given hours, with the same labels."""
    hours = np.arange(len(labels)) if hours is None else np.asarray(hours)
    n, width = len(labels), len(symbols)
    return Samples(
        np.zeros((n * width, 22), np.float32),
        np.repeat(np.asarray(labels, np.uint8), width),
        np.repeat(np.datetime64("2026-01-01", "s") + hours * HOUR, width),
        np.array(list(symbols) * n, dtype=object),
    )


def lagged(labels, lag):
    return np.r_[np.repeat(labels[0], lag), labels[: len(labels) - lag]]


@pytest.mark.parametrize("lag", [0, 6])
def test_planted_lag_is_found_through_noise(lag):
    rng = np.random.default_rng(0)
    labels = np.repeat(rng.permutation(np.tile(np.arange(7), 30)), rng.integers(10, 40, 210))
    y_pred = lagged(labels, lag)
    noisy = rng.random(len(labels)) < 0.05
    y_pred[noisy] = rng.integers(0, 7, noisy.sum())
    found = measure_switching(holdout(labels), y_pred)

    assert found.delay_hours == pytest.approx(lag, abs=1)
    assert found.noticed > 0.95 * found.changes
    assert found.predicted_switches > found.true_switches


def test_rows_over_a_gap_are_no_neighbours():
    labels = [0, 0, 1, 1]
    broken = measure_switching(holdout(labels, hours=[0, 1, 50, 51]), np.array(labels))
    whole = measure_switching(holdout(labels), np.array(labels))

    assert (broken.neighbours, broken.changes) == (2, 0)
    assert (whole.neighbours, whole.changes, whole.delay_hours) == (3, 1, 0)


def test_switches_are_counted_for_each_symbol_and_day():
    labels = np.tile(np.repeat([0, 1], 12), 3)[:49]
    two = holdout(np.r_[labels, labels[:1]][:49], symbols=("BTC", "ETH"))
    found = measure_switching(two, two.labels.astype(int))

    assert found.true_switches == found.predicted_switches == 2


def test_flicker_is_the_share_of_changes_taken_back_within_three_rows():
    y_pred = np.array([0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2, 2])
    found = measure_switching(holdout(np.zeros(15, int)), y_pred)

    # 0 to 1 is taken back, 1 to 0 and 0 to 2 are not.
    assert found.predicted_flicker == pytest.approx(1 / 3)
    assert found.true_flicker is None and found.delay_hours is None


def test_change_that_is_over_before_it_is_predicted_is_not_noticed():
    labels = np.array([0, 0, 1, 1, 0, 0])
    found = measure_switching(holdout(labels), np.zeros(6, int))

    assert (found.changes, found.noticed, found.delay_hours) == (2, 1, 0)


def test_single_rows_have_no_rate():
    found = measure_switching(holdout([0]), np.array([0]))

    assert found.step_hours is None and found.true_switches is None


def test_mean_cost_takes_the_row_of_the_truth_and_the_column_of_the_answer():
    costs = np.zeros((7, 7))
    costs[0, 1] = 10

    assert mean_cost(np.array([0, 1]), np.array([1, 0]), costs) == 5
