"""Rows counted in production's bins: the SQL that counts, as part of the gate's one statement.

The counts are of `value <= edge` for each edge, not of each bin: one comparison instead of two,
and a million rows and 22 features cost 0.1 s, where a bin index and sumMap cost 0.6 s.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

from expectations.rules.sql import quote, words_of

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
