"""Rules on labels that a person should look at: contradictions, and labels edited in bulk.

All are warnings. A market may do any of this, and the labels may be right; the rules name the rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from great_expectations import expectations as gxe

from expectations import sql_rules as own
from expectations.odd_days import DAY, LABELS_OF_DAYS, MIN_SYMBOLS, ExpectNoOddDays
from expectations.severity import warning

_SHOWN: Final = 5

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
    yield ExpectNoOddDays(
        query=LABELS_OF_DAYS,
        **warning(
            "labels of each day",
            f"more than one regime, or one that the days around it have too, with {MIN_SYMBOLS} "
            "symbols or more",
            "All symbols rarely change their regime at midnight: the labels may be an edit in "
            "bulk.",
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
        HAVING labels >= {_SYMBOL_LABELS} AND uniqExact({DAY}) >= {_SYMBOL_DAYS}
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
