"""Rules on labels that a person should look at: contradictions, bulk edits, gaps in time.

All are warnings. A market may do any of this, and the labels may be right; the rules name the rows.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, ClassVar, Final

from great_expectations import expectations as gxe

from expectations.rules import sql as own
from expectations.rules.sql import AGGREGATE, AggregateExpectation, judged
from expectations.severity import warning

_SHOWN: Final = 5
_DAY: Final = "intDiv(toUInt32(timestamp), 86400)"  # in UTC, whatever the server's time zone

_GROUPS: Final = 2_500_000
"""Rows that are compared at once. Of a larger table every k-th group of alike rows is, whole."""

_SYMBOL_LABELS: Final = 30
_SYMBOL_DAYS: Final = 14
"""Regimes last days; two weeks of labels without a second regime are not what markets do."""

_RUN_ROWS: Final = 100
_RUN_FACTOR: Final = 5
"""If a regime is as likely to end on each day, one run in 3 million is 5 times the 95th percentile
of all (0.05 to the power of 5)."""


def rules_of_label_trouble(features: Sequence[str]) -> Iterator[gxe.Expectation]:
    """Lists the rules.

    Args:
        features: the model's input columns, those in prices too: rows that differ in no input are
            the ones a model cannot tell apart, and a market at another price is another input.
    """
    yield own.ExpectNoRowsFrom(
        query=_contradictions(features),
        what="rows of the same features but different labels",
        **warning(
            "labels agree",
            "one label where all features are the same to 3 digits",
            "A model cannot tell such rows apart: at least one label is wrong, or a source stood "
            "still.",
        ),
    )
    yield own.ExpectNoRowsFrom(
        query=_SYMBOLS_OF_ONE_REGIME,
        what="symbols of one regime",
        **warning(
            "labels of each symbol",
            f"more than one regime in {_SYMBOL_LABELS} labels of {_SYMBOL_DAYS} days",
            "The other symbols have several: its labels may be a default or an edit in bulk.",
        ),
    )
    yield own.ExpectNoRowsFrom(
        query=_LONG_RUNS,
        what="blocks of one label",
        **warning(
            "labels change",
            f"no run of a label in a symbol above {_RUN_ROWS} rows and {_RUN_FACTOR} times the "
            "95th percentile of all runs",
            "Regimes end: a block of one label may be an edit in bulk.",
        ),
    )


def _contradictions(features: Sequence[str]) -> str:
    """SQL of groups of alike rows with two labels, each with two of its rows.

    Hashing all features would read the whole table; every sixth tells almost all rows apart, and
    the others are read for the rows that those do not tell apart.
    """
    few, all_ = _alike(features[::6]), _alike(features)
    label = "toUInt32(cityHash64(regime_label))"
    part = f"(SELECT 1 + intDiv(count(), {_GROUPS}) FROM {{table}})"
    suspects = (
        f"SELECT {few} AS few FROM {{table}} WHERE few % {part} = 0 "
        f"GROUP BY few HAVING min({label}) != max({label})"
    )
    row = "tuple(toString(symbol), timestamp, toString(regime_label))"
    groups = (
        f"SELECT argMin({row}, {label}) AS one, argMax({row}, {label}) AS other, "
        f"count() AS alike, sum(alike) OVER () * {part} AS found "
        f"FROM {{table}} WHERE {few} IN ({suspects}) "
        f"GROUP BY {all_} HAVING min({label}) != max({label})"
    )
    return (
        "SELECT one.1 AS symbol, one.2 AS timestamp, one.3 AS regime_label, "
        "other.1 AS like_symbol, other.2 AS like_timestamp, other.3 AS like_label, "
        f"alike AS rows, found FROM ({groups}) ORDER BY alike DESC, timestamp DESC LIMIT {_SHOWN}"
    )


def _alike(features: Iterable[str]) -> str:
    """SQL of a hash that is the same for features that are the same to about 3 digits.

    Of the float32 that the forest sees, 10 of 23 bits behind the point are kept, rounded: a step of
    0.05 to 0.1 %. Recalculated features differ by less; a market moves one of 22 by more within an
    hour. It costs an addition and a shift, where rounding to decimal digits takes a logarithm.
    """
    rounded = (
        f"bitShiftRight(reinterpretAsUInt32(toFloat32(ifNull({feature}, 0))) + 4096, 13)"
        for feature in features
    )
    return f"cityHash64({', '.join(rounded)})"


_SYMBOLS_OF_ONE_REGIME: Final = f"""
SELECT symbol, first AS timestamp, last AS until, label AS regime_label, labels, found FROM (
    SELECT *, sum(one_regime) OVER () AS found, countIf(NOT one_regime) OVER () AS others FROM (
        SELECT symbol, min(timestamp) AS first, max(timestamp) AS last, count() AS labels,
            any(regime_label) AS label, min(regime_label) = max(regime_label) AS one_regime
        FROM {{table}} GROUP BY symbol
        HAVING labels >= {_SYMBOL_LABELS} AND uniqExact({_DAY}) >= {_SYMBOL_DAYS}
    )
) WHERE one_regime AND others > 0 ORDER BY labels DESC, symbol LIMIT {_SHOWN}
"""

# A sample is packed into one number, so that sorting a symbol's samples by time is cheap: a window
# function over symbols takes five times as long.
_LONG_RUNS: Final = f"""
SELECT symbol, toDateTime(bitShiftRight(first, 32)) AS timestamp,
    toDateTime(bitShiftRight(last, 32)) AS until,
    arrayFirst(label -> label.1 = toUInt32(first), labels).2 AS regime_label,
    rows, found
FROM (
    SELECT *, count() OVER () AS found FROM (
        SELECT symbol, labels, length(run) AS rows, run[1] AS first, run[-1] AS last,
            quantile(0.95)(rows) OVER () AS usual
        FROM (
            SELECT symbol, labels, arrayJoin(arraySplit(
                (now, before) -> toUInt32(now) != toUInt32(before),
                samples, arrayShiftRight(samples, 1)
            )) AS run
            FROM (
                SELECT symbol, groupUniqArray(20)(
                        (toUInt32(cityHash64(regime_label)), leftUTF8(regime_label, 100))
                    ) AS labels,
                    arraySort(groupArray(
                        bitShiftLeft(toUInt64(toUInt32(timestamp)), 32)
                        + toUInt32(cityHash64(regime_label))
                    )) AS samples
                FROM {{table}} GROUP BY symbol
            )
        )
    ) WHERE rows > greatest({_RUN_ROWS}, {_RUN_FACTOR} * usual)
) ORDER BY rows DESC, symbol LIMIT {_SHOWN}
"""


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
