"""The population stability index: how far apart two distributions over the same bins are."""

import math
from collections.abc import Sequence
from typing import Final

WARN_AT: Final = 0.2
"""Above it a population has shifted, as is usual (N. Siddiqi, Credit Risk Scorecards, 2006)."""

_ONE_IN_A_THOUSAND: Final = 3.0902
"""Standard deviations of the normal distribution that one value in a thousand exceeds."""


def psi(now: Sequence[int], then: Sequence[int]) -> float:
    """Compares the counts of two samples: the sum over the bins of `(a - e) * ln(a / e)`.

    `a` and `e` are a bin's shares now and then (Siddiqi 2006). An empty bin counts as half a row,
    which keeps the index finite and changes nothing where no bin is empty.

    Args:
        now: rows of each bin, not all empty.
        then: the same of the sample to compare with.

    >>> round(psi([50, 50], [25, 75]), 4)
    0.2747
    """
    total_now, total_then = sum(now), sum(then)
    index = 0.0
    for count_now, count_then in zip(now, then, strict=True):
        if count_now or count_then:
            a, e = max(count_now, 0.5) / total_now, max(count_then, 0.5) / total_then
            index += (a - e) * math.log(a / e)
    return index


def warn_above(bins: int, days_now: int, days_then: int) -> float:
    """The index above which two samples differ, and by more than chance makes of one market.

    Two samples of `n` and `m` independent rows of one market have an index distributed as
    chi-squared with `bins - 1` degrees of freedom times `1/n + 1/m` (B. Yurdakul and J. Naranjo,
    Statistical properties of the population stability index, 2020). Its 99.9 % quantile is the
    bound (Wilson and Hilferty 1931), because a suite compares some twenty features at once.
    Neighbouring rows share most of their window and are far from independent, so what counts is
    not rows but days of a symbol.

    Args:
        bins: number of bins.
        days_now: days of symbols in the sample.
        days_then: the same of the sample to compare with.

    >>> round(warn_above(10, 4000, 5000), 4), round(warn_above(10, 40, 32), 4)
    (0.2, 1.5784)
    """
    if bins < 2:
        return math.inf
    freedom = bins - 1
    spread = 2 / (9 * freedom)
    chi_squared = freedom * (1 - spread + _ONE_IN_A_THOUSAND * math.sqrt(spread)) ** 3
    return max(WARN_AT, chi_squared * (1 / max(days_now, 1) + 1 / max(days_then, 1)))
