"""Intervals hold what they promise, also where errors come in runs, and p-values are exact."""

import numpy as np
import pytest
from scipy.stats import binomtest

from ml.evaluation.statistics import (
    block_length,
    bootstrap_interval,
    mcnemar_p_value,
    prediction_interval,
)

HOUR = np.timedelta64(3600, "s")
START = np.datetime64("2026-01-01T00:00:00", "s")


def hours(count):
    return START + np.arange(count) * HOUR


def runs_of_errors(rng, count, kept):
    """Right on 75% of the rows; `kept` is how much of its mood a model keeps for an hour."""
    noise = rng.normal(size=count)
    mood = noise.copy()
    for k in range(1, count):
        mood[k] = kept * mood[k - 1] + np.sqrt(1 - kept**2) * noise[k]
    return (mood < 0.6744897501960817).astype(float)


def coverage(kept, count=600, weeks=150):
    """Shares of the weeks whose interval holds the truth: by blocks, and row by row."""
    rng = np.random.default_rng(1)
    held = np.zeros(2)
    for _ in range(weeks):
        right = runs_of_errors(rng, count, kept)
        low, high = bootstrap_interval(right, hours(count))
        margin = 1.96 * right.std() / np.sqrt(count)
        held += low <= 0.75 <= high, abs(right.mean() - 0.75) <= margin
    return held / weeks


@pytest.mark.parametrize("counts", [(9, 1), (1, 9), (40, 40), (0, 12)])
def test_p_value_is_that_of_a_fair_coin(counts):
    assert mcnemar_p_value(*counts) == binomtest(counts[0], sum(counts), 0.5).pvalue


def test_p_value_of_models_that_never_differ_is_one():
    assert mcnemar_p_value(0, 0) == 1


@pytest.mark.full
@pytest.mark.slow
def test_interval_of_independent_rows_holds_the_truth_as_often_as_it_says():
    by_blocks, by_row = coverage(kept=0)

    assert by_blocks == pytest.approx(0.95, abs=0.04)
    assert by_row == pytest.approx(0.95, abs=0.04)


def test_interval_of_rows_in_runs_holds_the_truth_where_single_rows_promise_too_much():
    by_blocks, by_row = coverage(kept=0.8)

    assert by_row < 0.75
    assert by_blocks > by_row + 0.12
    assert by_blocks > 0.85


def test_interval_keeps_the_rows_of_a_moment_together():
    """Four symbols that are right and wrong at once say no more than one."""
    right = (np.random.default_rng(0).random(300) < 0.75).astype(float)
    one = bootstrap_interval(right, hours(300))
    four = bootstrap_interval(np.repeat(right, 4), np.repeat(hours(300), 4))

    assert four == one


def test_interval_is_repeatable_and_holds_the_mean():
    right = runs_of_errors(np.random.default_rng(2), 400, kept=0.5)
    low, high = bootstrap_interval(right, hours(400))

    assert bootstrap_interval(right, hours(400)) == [low, high]
    assert low < right.mean() < high


def test_interval_of_equal_values_is_that_value():
    assert bootstrap_interval(np.ones(50), hours(50)) == [1, 1]
    assert bootstrap_interval(np.zeros(50), hours(50)) == [0, 0]


def test_interval_of_a_single_moment_is_not_known():
    assert bootstrap_interval(np.array([1, 0, 1]), np.repeat(START, 3)) is None


def test_interval_of_one_stretch_is_not_known_however_many_rows_it_has():
    """Right for a day, wrong for a day: 192 rows of four symbols, and two events."""
    right = np.repeat([1.0, 0.0], 24)
    moments = np.repeat(hours(48), 4)

    assert bootstrap_interval(np.repeat(right, 4), moments) is None
    assert prediction_interval(np.repeat(right, 4), moments) is None


def test_prediction_holds_what_follows_where_the_interval_of_the_mean_does_not():
    rng = np.random.default_rng(4)
    held = np.zeros(2)
    for _ in range(150):
        right = runs_of_errors(rng, 1200, kept=0.5)
        measured, to_come = right[:600], right[600:].mean()
        for k, interval in enumerate((prediction_interval, bootstrap_interval)):
            low, high = interval(measured, hours(600))
            held[k] += low <= to_come <= high

    assert held[0] / 150 > 0.89 > held[1] / 150


def test_blocks_are_longer_where_errors_last():
    rng = np.random.default_rng(3)
    series = [runs_of_errors(rng, 800, kept) for kept in (0, 0.5, 0.9)]
    lengths = [block_length(right - right.mean()) for right in series]

    assert lengths[0] <= 2 < lengths[1] < lengths[2]
    steps = np.repeat([1.0, -1.0], 40)
    assert block_length(steps) > 10
    assert block_length(np.zeros(80)) == 1
