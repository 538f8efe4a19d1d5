"""Labels that a person should look at are named: which symbol, when, which label."""

import pytest

from expectations.report import GateReport
from expectations.rules.odd_days import DayLabels, odd_days
from expectations.run_record import RuleRecord
from tests.expectations.frozen_market import ONE, FrozenMarket, rows
from tests.expectations.spoiled_markets import BTC, label

MIXED = DayLabels({"trend_up": 9, "range": 9}, symbols=3)
EDITED = DayLabels({"volatile": 18}, symbols=3)


def _warning(report: GateReport, name: str) -> RuleRecord:
    return next(rule for rule in report.warnings if rule.rule == name)


def test_days_of_one_regime_between_days_without_it_are_odd() -> None:
    assert odd_days({1: MIXED, 2: EDITED, 3: MIXED}) == [((2, 2), "volatile", 18)]
    assert odd_days({1: MIXED, 2: EDITED, 3: EDITED, 4: MIXED}) == [((2, 3), "volatile", 36)]


def test_regime_that_begins_before_midnight_is_not_odd() -> None:
    begun = DayLabels({"trend_up": 8, "volatile": 10}, symbols=3)
    assert odd_days({1: begun, 2: EDITED, 3: MIXED}) == []


@pytest.mark.parametrize(
    "day",
    [DayLabels({"volatile": 18}, symbols=2), DayLabels({"volatile": 11}, symbols=3)],
    ids=["two_symbols", "eleven_labels"],
)
def test_day_of_few_symbols_or_labels_is_not_judged(day: DayLabels) -> None:
    assert odd_days({1: MIXED, 2: day, 3: MIXED}) == []


def test_day_beside_a_day_without_labels_is_not_judged() -> None:
    assert odd_days({2: EDITED, 3: MIXED}) == odd_days({0: MIXED, 2: EDITED, 3: MIXED}) == []


def test_day_between_days_of_other_single_regimes_is_not_odd() -> None:
    other = DayLabels({"range": 18}, symbols=3)
    assert odd_days({1: other, 2: EDITED, 3: other}) == []


def test_no_days_at_all_are_not_odd() -> None:
    assert odd_days({}) == []


def test_contradicting_rows_are_named_with_both_labels(market: FrozenMarket) -> None:
    twin = rows(ONE, symbol="'TWIN'", regime_label="'volatile'", adx="adx * 1.00001")
    report = market.judge(f"{label(ONE, chr(39) + 'range' + chr(39))} UNION ALL {twin}")
    rule = _warning(report, "labels agree")
    (row,) = rule.rows
    assert rule.observed.startswith("2 rows of the same features but different labels")
    assert {row["symbol"], row["like_symbol"]} == {"XRPUSDT", "TWIN"}
    assert {row["regime_label"], row["like_label"]} == {"range", "volatile"}
    assert row["timestamp"] == row["like_timestamp"]


def test_alike_rows_of_one_label_are_no_contradiction(market: FrozenMarket) -> None:
    twins = rows(BTC, symbol="'TWIN'")
    assert market.judge(f"{rows()} UNION ALL {twins}").warnings == ()


def test_rows_that_differ_in_the_third_digit_are_no_contradiction(market: FrozenMarket) -> None:
    other = rows(
        BTC, symbol="'TWIN'", regime_label="'volatile'", historical_vol="historical_vol*1.01"
    )
    names = [rule.rule for rule in market.judge(f"{rows()} UNION ALL {other}").warnings]
    assert "labels agree" not in names


def test_block_of_one_label_is_named_with_symbol_times_and_label(market: FrozenMarket) -> None:
    block = f"{BTC} AND timestamp > now() - INTERVAL 25 DAY"
    rule = _warning(market.judge(label(block, "'range'")), "labels change")
    (row,) = rule.rows
    assert (row["symbol"], row["regime_label"]) == ("BTCUSDT", "range")
    assert 180 <= row["rows"] <= 240
    assert row["timestamp"] < row["until"]


def test_symbol_of_one_regime_is_named_with_its_labels(market: FrozenMarket) -> None:
    rule = _warning(market.judge(label(BTC, "'range'")), "labels of each symbol")
    (row,) = rule.rows
    assert (row["symbol"], row["regime_label"], row["labels"]) == ("BTCUSDT", "range", 300)


def test_day_of_one_regime_is_named(market: FrozenMarket) -> None:
    day = "toDate((SELECT min(timestamp) FROM good)) + 17"
    report = market.judge(label(f"toDate(timestamp) = {day}", "'breakout'"))
    (row,) = _warning(report, "labels of each day").rows
    assert (row["symbol"], row["regime_label"]) == ("all", "breakout")
    assert row["timestamp"] == row["until"]
