"""The expectation that no days are labelled as one regime, from midnight to midnight."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar, Final

from great_expectations.expectations.expectation import BatchExpectation

from expectations.rules.sql import ROWS, judged

DAY: Final = "intDiv(toUInt32(timestamp), 86400)"  # in UTC, whatever the server's time zone

LABELS_OF_DAYS: Final = f"""
SELECT {DAY} AS day, leftUTF8(regime_label, 100) AS label, count() AS labels,
    uniq(symbol) AS symbols
FROM {{table}} GROUP BY day, regime_label ORDER BY day, labels DESC LIMIT 20 BY day
"""
"""There are seven regimes: what is not one may be long, and of as many kinds as there are rows."""

MIN_SYMBOLS: Final = 3
_MIN_LABELS: Final = 12
"""One or two symbols share a regime for a day by chance, several times a year."""

_NEIGHBOUR_SHARE: Final = 0.25
"""A regime of the whole market does not begin and end at midnight: its neighbours show it too."""

_SHOWN: Final = 5


@dataclass(frozen=True)
class DayLabels:
    """The labels of one day.

    Attributes:
        counts: labels by regime.
        symbols: how many symbols have them; of one regime's symbols, the most.
    """

    counts: Mapping[str, int]
    symbols: int


class ExpectNoOddDays(BatchExpectation):
    """Expects no days whose labels are all one regime that the days around them hardly have."""

    query: str

    metric_dependencies: ClassVar[tuple[str, ...]] = (ROWS,)
    success_keys: ClassVar[tuple[str, ...]] = ("query",)

    def _validate(self, metrics: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        found = odd_days(_by_day(metrics[ROWS]))
        rows = [
            {
                "symbol": "all",
                "timestamp": str(_date(days[0])),
                "until": str(_date(days[1])),
                "regime_label": label,
                "labels": labels,
            }
            for days, label, labels in found
        ]
        told = [f"{row['timestamp']} to {row['until']} all {row['regime_label']}" for row in rows]
        observed = "; ".join(told[:3]) or "none"
        return judged(success=not rows, observed=observed, rows=rows[:_SHOWN])


def odd_days(days: Mapping[int, DayLabels]) -> list[tuple[tuple[int, int], str, int]]:
    """Finds stretches of days that are all one regime, though the days around them differ.

    Only days with labels on the days before and after are judged: across a gap anything may change.

    Args:
        days: labels by day, in days since 1970.

    Returns:
        First and last day, regime and labels of each stretch.

    >>> mixed, edited = DayLabels({"up": 8, "down": 8}, 3), DayLabels({"range": 16}, 3)
    >>> odd_days({1: mixed, 2: edited, 3: edited, 4: mixed})
    [((2, 3), 'range', 32)]
    """
    found = []
    for first in sorted(days):
        label = _only_label(days[first])
        if label is None or (first - 1 in days and _only_label(days[first - 1]) == label):
            continue
        last = first
        while last + 1 in days and _only_label(days[last + 1]) == label:
            last += 1
        around = [days[day] for day in (first - 1, last + 1) if day in days]
        if len(around) == 2 and _hardly_have(around, label):
            labels = sum(days[day].counts[label] for day in range(first, last + 1))
            found.append(((first, last), label, labels))
    return found


def _only_label(day: DayLabels) -> str | None:
    """The label of all symbols, if there are enough of both to speak of one."""
    enough = day.symbols >= MIN_SYMBOLS and sum(day.counts.values()) >= _MIN_LABELS
    return next(iter(day.counts)) if len(day.counts) == 1 and enough else None


def _hardly_have(around: Sequence[DayLabels], label: str) -> bool:
    total = sum(sum(day.counts.values()) for day in around)
    with_it = sum(day.counts.get(label, 0) for day in around)
    return all(len(day.counts) > 1 for day in around) and with_it < _NEIGHBOUR_SHARE * total


def _by_day(rows: Iterable[Mapping[str, Any]]) -> dict[int, DayLabels]:
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    symbols: dict[int, int] = defaultdict(int)
    for row in rows:
        day = int(row["day"])
        counts[day][str(row["label"])] = int(row["labels"])
        symbols[day] = max(symbols[day], int(row["symbols"]))
    return {day: DayLabels(of_day, symbols[day]) for day, of_day in counts.items()}


def _date(day: int) -> date:
    return date(1970, 1, 1) + timedelta(days=day)
