"""Labels that a person should look at are named: which symbol, when, which label."""

from expectations.report import GateReport
from expectations.run_record import RuleRecord
from tests.expectations.frozen_market import ONE, FrozenMarket, rows
from tests.expectations.spoiled_markets import BTC, label


def _warning(report: GateReport, name: str) -> RuleRecord:
    return next(rule for rule in report.warnings if rule.rule == name)


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
