"""Rows counted in production's bins, and how far two counts are apart.

The SQL that counts is part of the gate's one statement.

The counts are of `value <= edge` for each edge, not of each bin: one comparison instead of two,
and a million rows and 22 features cost 0.1 s, where a bin index and sumMap cost 0.6 s.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeAlias

from expectations.rules.sql import quote, words_of

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

    >>> round(warn_above(10, 4000, 5000), 4), round(warn_above(10, 40, 32), 4)
    (0.2, 1.5784)
    """
    if bins < 2:
        return math.inf
    freedom = bins - 1
    spread = 2 / (9 * freedom)
    chi_squared = freedom * (1 - spread + _ONE_IN_A_THOUSAND * math.sqrt(spread)) ** 3
    return max(WARN_AT, chi_squared * (1 / max(days_now, 1) + 1 / max(days_then, 1)))


_ROWS = "toString(count())"
# A day of a symbol; counted without the server's time zone.
_SYMBOL_DAYS = "toString(uniq(symbol, intDiv(toUInt32(timestamp), 86400)))"


@dataclass(frozen=True)
class Bins:
    """The bins of one feature.

    Attributes:
        edges: a bin ends at each, inclusive; one more is above the last.
        trained: rows of each bin in production's training data.
    """

    edges: Sequence[float]
    trained: Sequence[int]


BinsByFeature: TypeAlias = Mapping[str, Bins]


@dataclass(frozen=True)
class Counted:
    """What was counted of the judged table.

    Attributes:
        rows: all rows.
        symbol_days: pairs of a symbol and a day that have a row.
        counts: rows of each bin by feature.
    """

    rows: int
    symbol_days: int
    counts: Mapping[str, Sequence[int]]


def as_plain(bins: BinsByFeature) -> list[dict[str, Any]]:
    """Bins as an argument of an expectation: Great Expectations sorts the keys of a dict."""
    return [
        {"feature": feature, "edges": list(entry.edges), "trained": list(entry.trained)}
        for feature, entry in bins.items()
    ]


def from_plain(bins: Iterable[Mapping[str, Any]]) -> dict[str, Bins]:
    """The reverse of `as_plain`."""
    return {entry["feature"]: Bins(entry["edges"], entry["trained"]) for entry in bins}


def count_bins(bins: BinsByFeature) -> str:
    """SQL of the rows in each bin of each feature, for `read_bins`."""
    # As float32, because the forest computes in float32 and the edges are such values: comparing
    # as float64 would put half of the ties into the next bin.
    return words_of(
        [
            _ROWS,
            _SYMBOL_DAYS,
            *(
                f"toString(countIf(toFloat32({feature}) <= toFloat32({edge!r})))"
                for feature, entry in bins.items()
                for edge in entry.edges
            ),
        ]
    )


def read_bins(answer: object, bins: BinsByFeature) -> Counted:
    """Reads the answer to `count_bins` of the same bins.

    >>> bins = {"adx": Bins([20.0, 40.0], [5, 5, 5]), "ema_9": Bins([], [15])}
    >>> read_bins("100 9 10 30", bins).counts
    {'adx': [10, 20, 70], 'ema_9': [100]}
    """
    rows, symbol_days, *below = map(int, str(answer).split())
    counts, start = {}, 0
    for feature, entry in bins.items():
        cumulative = [0, *below[start : start + len(entry.edges)], rows]
        counts[feature] = [high - low for low, high in pairwise(cumulative)]
        start += len(entry.edges)
    return Counted(rows, symbol_days, counts)


def count_labels(column: str, labels: Sequence[str]) -> str:
    """SQL of the rows with each label, for `read_labels`."""
    of_each = (f"toString(countIf({column} = {quote(label)}))" for label in labels)
    return words_of([_ROWS, _SYMBOL_DAYS, *of_each])


def read_labels(answer: object, labels: Sequence[str]) -> tuple[int, dict[str, int]]:
    """Reads the answer to `count_labels`: days of symbols, and rows by label."""
    _, symbol_days, *counts = map(int, str(answer).split())
    return symbol_days, dict(zip(labels, counts, strict=True))
