"""The rule that labels cover the time, the symbols and the regimes of the table they are from.

Labels of one stretch name each other rightly, so a model of them looks good: it is told before one
is trained. It is a warning; the promotion gate decides on the holdout.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, ClassVar, Final

from expectations.sql_metrics import AGGREGATE
from expectations.sql_rules import AggregateExpectation, judged

_FEW_DAYS: Final = 10
_SHORT: Final = 0.25
_LONG_TABLE_DAYS: Final = 30
_FEW_SYMBOLS: Final = 0.5
_DAYS: Final = 100_000
"""A regime and a day travel as one number; days since 1970 stay below this until 2243."""


class ExpectLabelsOverTime(AggregateExpectation):
    """Expects labels of many days, of the table's window and symbols, and no long gap in them.

    Attributes:
        aggregate: `labelled_days(regimes)`.
        regimes: their names, in the order of the aggregate.
        max_share: longest gap between days with labels, as a share of their window.
        extent: first and last day (days since 1970) and number of symbols of the table; empty if
            they are not known.
    """

    regimes: list[str]
    max_share: float
    extent: tuple[int, ...] = ()

    success_keys: ClassVar[tuple[str, ...]] = ("aggregate", "regimes", "max_share", "extent")

    def _validate(self, metrics: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        words, symbols = str(metrics[AGGREGATE]).split("|")
        days_of: dict[int, list[int]] = defaultdict(list)
        for number in sorted(map(int, words.split())):
            days_of[number // _DAYS].append(number % _DAYS)
        days = sorted({day for found in days_of.values() for day in found})
        gap = longest_gap(days)
        problems = (
            *self._gap(days, gap),
            *self._beside_the_table(days, int(symbols)),
            *self._single_runs(days, days_of),
        )
        length = gap[1]
        calm = f"{length} days from {_day(gap[0])}" if length else "no day without samples"
        return judged(success=not problems, observed="; ".join(problems) or calm)

    def _gap(self, days: Sequence[int], gap: tuple[int, int]) -> Iterator[str]:
        start, length = gap
        if days and length > self.max_share * (days[-1] - days[0] + 1):
            yield f"{length} days from {_day(start)}"

    def _beside_the_table(self, days: Sequence[int], symbols: int) -> Iterator[str]:
        if not (self.extent and days):
            return
        first, last, all_symbols = self.extent
        table, window = last - first + 1, days[-1] - days[0] + 1
        if table >= _LONG_TABLE_DAYS and window < _SHORT * table:
            bare = ((first, days[0] - 1), (days[-1] + 1, last))
            without = " and ".join(f"{_day(a)} to {_day(b)}" for a, b in bare if a <= b)
            yield f"labels cover {window} of the table's {table} days, none from {without}"
        if len(days) < min(_FEW_DAYS, table):
            yield f"labels of only {len(days)} days, {_day(days[0])} to {_day(days[-1])}"
        if symbols < _FEW_SYMBOLS * all_symbols:
            yield f"labels of {symbols} of the table's {all_symbols} symbols"

    def _single_runs(
        self, days: Sequence[int], days_of: Mapping[int, Sequence[int]]
    ) -> Iterator[str]:
        """Regimes that were labelled on neighbouring days only, in a window of many."""
        for index, name in enumerate(self.regimes, start=1):
            of = days_of.get(index)
            if not of or longest_gap(list(of))[1]:
                continue
            if 3 * len(of) < len(days) and len(days) >= _FEW_DAYS:
                yield f"{name} only from {_day(of[0])} to {_day(of[-1])}"


def labelled_days(label: str, regimes: Sequence[str]) -> str:
    """SQL of the days of each regime, and of the number of symbols, as one text."""
    names = ", ".join(f"'{name}'" for name in regimes)
    index = f"transform(toString({label}), [{names}], {list(range(1, len(regimes) + 1))}, 0)"
    day = f"toUInt64({index}) * {_DAYS} + toUInt32(toDate(timestamp))"
    words = f"arrayStringConcat(arrayMap(x -> toString(x), groupUniqArray({day})), ' ')"
    return f"concat({words}, '|', toString(uniqExact(symbol)))"


def longest_gap(days: list[int]) -> tuple[int, int]:
    """Finds the longest run of missing numbers in a sorted list.

    Returns:
        The first missing number and how many are missing; zero if none is.

    >>> longest_gap([1, 2, 6, 7])
    (3, 3)
    """
    gaps = [(later - day - 1, day + 1) for day, later in itertools.pairwise(days)]
    gap, start = max(gaps, default=(0, 0))
    return (start, gap) if gap else (0, 0)


def _day(number: int) -> date:
    return date(1970, 1, 1) + timedelta(days=number)
