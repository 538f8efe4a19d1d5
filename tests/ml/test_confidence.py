"""Accuracy where the model is sure: the table, and the cut that an application trades by."""

import numpy as np
import pytest

from ml.evaluation.scores import accuracy_by_confidence

N = 4_000
TIMES = np.datetime64("2026-01-01", "s") + np.arange(N) // 4 * np.timedelta64(3600, "s")


def answers(right_at, seed=0):
    """Rows as sure as drawn from 0.3 to 0.9, and right as often as a function of that says."""
    rng = np.random.default_rng(seed)
    sure = rng.uniform(0.3, 0.9, N)
    y_pred = rng.integers(0, 3, N)
    right = rng.random(N) < right_at(sure)
    probabilities = np.repeat(((1 - sure) / 6)[:, None], 7, axis=1)
    probabilities[np.arange(N), y_pred] = sure
    return np.where(right, y_pred, y_pred + 1), probabilities


def test_cut_is_the_lowest_confidence_from_which_on_the_floor_is_reached_beyond_chance():
    y_true, probabilities = answers(lambda sure: sure)
    found = accuracy_by_confidence(y_true, probabilities, TIMES, 0.65)
    (row,) = (row for row in found.rows if row.confidence == found.cut)

    assert [round(row.kept, 1) for row in found.rows] == [k / 10 for k in range(10, 0, -1)]
    assert row.interval[0] >= 0.65 > found.rows[found.rows.index(row) - 1].interval[0]
    # Kept rows are as sure as uniform numbers from the cut to 0.9.
    assert row.accuracy == pytest.approx((found.cut + 0.9) / 2, abs=0.03)
    sure = probabilities.max(axis=1)
    assert row.samples == np.count_nonzero(sure >= found.cut)


def test_cut_is_none_where_confidence_says_nothing():
    y_true, probabilities = answers(lambda sure: np.full(N, 0.55))

    assert accuracy_by_confidence(y_true, probabilities, TIMES, 0.65).cut is None


def test_regimes_are_those_predicted_and_their_rows_sum_to_all():
    y_true, probabilities = answers(lambda sure: sure)
    found = accuracy_by_confidence(y_true, probabilities, TIMES, 0.65)
    whole = [row for row in found.regimes if row.kept == 1]

    assert [row.regime for row in whole] == ["trend_up", "trend_down", "range"]
    assert sum(row.samples for row in whole) == N


def test_one_row_gives_a_table_without_an_interval():
    y_true, probabilities = answers(lambda sure: sure)
    found = accuracy_by_confidence(y_true[:1], probabilities[:1], TIMES[:1], 0.65)

    assert [row.interval for row in found.rows] == [None] and found.cut is None
