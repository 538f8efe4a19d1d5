"""Labels of one stretch, symbol or block are told before a model is trained on them."""

from datetime import date

import pytest

from expectations.rules.labels import ExpectLabelsOverTime
from expectations.rules.sql import AGGREGATE

YEAR = (20_000, 20_364, 4)
REGIMES = ["trend_up", "range"]


def observed(days_of, symbols=4, extent=YEAR):
    """What the rule says to labels of these days, of each regime by its number."""
    rule = ExpectLabelsOverTime(aggregate="x", regimes=REGIMES, max_share=0.5, extent=extent)
    words = " ".join(str(k * 100_000 + day) for k, days in days_of.items() for day in days)
    found = rule._validate({AGGREGATE: f"{words}|{symbols}"})
    return found["success"], found["result"]["observed_value"]


def test_labels_spread_over_the_table_hold():
    days = range(20_000, 20_365, 3)
    assert observed({1: days, 2: days}) == (True, f"2 days from {date(2025, 9, 30)}")


@pytest.mark.parametrize(
    ("days_of", "symbols", "told"),
    [
        ({1: range(20_358, 20_365), 2: range(20_358, 20_365)}, 4, "labels of only 7 days, "),
        (
            {1: range(20_335, 20_365), 2: range(20_335, 20_365)},
            4,
            "labels cover 30 of the table's 365 days, none from 2024-10-04 to 2025-09-03",
        ),
        (
            {1: range(20_000, 20_365), 2: range(20_000, 20_365)},
            1,
            "labels of 1 of the table's 4 symbols",
        ),
        (
            {1: range(20_000, 20_365), 2: range(20_100, 20_103)},
            4,
            "range only from 2025-01-12 to 2025-01-14",
        ),
        (
            {1: range(20_000, 20_100), 2: range(20_300, 20_365)},
            4,
            "200 days from 2025-01-12",
        ),
    ],
)
def test_labels_of_a_part_are_told_with_what_is_missing(days_of, symbols, told):
    success, words = observed(days_of, symbols)
    assert not success
    assert told in words


def test_short_table_asks_for_no_more_than_it_has():
    days = range(20_000, 20_015)
    assert observed({1: days, 2: days}, extent=(20_000, 20_014, 4))[0]
    assert observed({1: days, 2: days}, extent=())[0]
