"""The population stability index and what chance makes of it."""

import math

import numpy as np
import pytest
from scipy.stats import chi2, entropy

from expectations.rules.bins import psi, warn_above


def test_index_equals_a_calculation_by_hand() -> None:
    # (0.5 - 0.2) ln 2.5 + (0.3 - 0.3) ln 1 + (0.2 - 0.5) ln 0.4
    assert psi([50, 30, 20], [40, 60, 100]) == pytest.approx(0.6 * math.log(2.5))


@pytest.mark.parametrize("seed", range(5))
def test_index_is_the_sum_of_both_relative_entropies(seed: int) -> None:
    now, then = np.random.default_rng(seed).integers(1, 500, (2, 10))
    assert psi(now.tolist(), then.tolist()) == pytest.approx(
        entropy(now, then) + entropy(then, now)
    )


def test_index_of_the_same_shares_is_zero_and_it_is_symmetric() -> None:
    assert psi([10, 20, 70], [100, 200, 700]) == 0
    assert psi([10, 20, 70], [30, 30, 40]) == pytest.approx(psi([30, 30, 40], [10, 20, 70]))


def test_empty_bin_counts_as_half_a_row() -> None:
    expected = (0.005 - 0.5) * math.log(0.01) + (1 - 0.5) * math.log(2)
    assert psi([0, 100], [50, 50]) == pytest.approx(expected)
    assert psi([0, 5, 5], [0, 5, 5]) == 0


@pytest.mark.parametrize("bins", range(2, 11))
def test_bound_is_the_chi_squared_quantile(bins: int) -> None:
    exact = chi2.ppf(0.999, bins - 1) * (1 / 40 + 1 / 32)
    assert warn_above(bins, 40, 32) == pytest.approx(exact, rel=0.035)


def test_bound_of_many_days_is_the_usual_one_and_one_bin_has_none() -> None:
    assert warn_above(10, 4000, 5000) == 0.2
    assert warn_above(1, 4000, 5000) == math.inf


def test_index_of_independent_samples_of_one_market_stays_below_the_bound() -> None:
    rng = np.random.default_rng(0)
    then = np.full(10, 24)
    pairs = (
        (rng.multinomial(300, then / 240), rng.multinomial(240, then / 240)) for _ in range(2000)
    )
    above = sum(psi(a.tolist(), e.tolist()) > warn_above(10, 300, 240) for a, e in pairs)
    assert above <= 10
