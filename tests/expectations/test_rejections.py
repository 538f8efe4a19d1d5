"""What a rejection says to do follows from what failed, and one wrong value fails one rule."""

from pathlib import Path

import pytest

from expectations.errors import DataRejected
from expectations.severity import LABEL_MORE
from pipeline.failure import failure_message
from tests.expectations.frozen_market import ONE, FrozenMarket, rows

EIGHT = "(symbol, timestamp) IN (SELECT symbol, timestamp FROM good ORDER BY timestamp LIMIT 8)"


def one(column: str, sql: str, where: str = ONE) -> str:
    return rows(**{column: f"if({where}, {sql}, {column})"})


WRONG = {
    "a NaN": (one("adx", "nan"), "finite adx"),
    "eight unknown labels": (one("regime_label", "'sideways'", EIGHT), "known labels"),
    "a repeated row": (f"{rows()} UNION ALL {rows(ONE)}", "each sample once"),
    "a type": (rows(adx="toString(adx)"), "column types"),
    "a clock that was not set": (one("timestamp", "toDateTime(86400)"), "timestamps"),
    "a placeholder of 2038": (one("timestamp", "toDateTime(2147483647)"), "timestamps"),
    "a placeholder of 2106": (one("timestamp", "toDateTime(4294967295)"), "timestamps"),
    "half a count": (
        rows(support_breaks=f"if({ONE}, 2.5, toFloat64(support_breaks))"),
        "possible support_breaks",
    ),
    "a count of 300": (
        rows(support_breaks=f"if({ONE}, 300., toFloat64(support_breaks))"),
        "possible support_breaks",
    ),
}


@pytest.mark.points
@pytest.mark.parametrize(("select", "rule"), WRONG.values(), ids=WRONG.keys())
def test_one_wrong_value_fails_one_rule_and_asks_for_no_labels(
    market: FrozenMarket, select: str, rule: str
) -> None:
    report = market.judge(select)
    assert [failed.rule for failed in report.failed_rules] == [rule]
    said = failure_message("check_data", DataRejected(report), {}).text
    assert "Please label more data" not in said
    assert "then clear check_data." in said.split("Failed expectations")[0]
    assert report.remedies[0] in str(DataRejected(report))


LABELS = {
    "too few": (rows() + " ORDER BY cityHash64(symbol, timestamp) LIMIT 200", {}),
    "too few by far": (rows(), {"min_samples": 1_000_000}),
    "too few regimes": (rows("regime_label IN ('range', 'volatile')"), {"min_samples": 1}),
    "too rare": (rows(), {"min_class_share": 0.25}),
}


@pytest.mark.points
@pytest.mark.parametrize(("select", "bounds"), LABELS.values(), ids=LABELS.keys())
def test_too_few_labels_ask_for_more_and_say_how_many(
    market: FrozenMarket, select: str, bounds: dict[str, float]
) -> None:
    report = market.judge(select, **bounds)
    assert report.remedies == (LABEL_MORE,)
    assert report.total is not None and report.total.missing > 0
    said = failure_message("check_data", DataRejected(report), {}).text
    assert said.count(LABEL_MORE) == 1 and "more needed" in said
    last = [line for line in report.as_text().splitlines() if line.startswith("all ")]
    assert f"{report.total.missing:,}" in last[0] and report.total.problem in last[0]
    page = Path(str(report.page)).read_text(encoding="utf-8")
    assert f"{report.total.missing:,} more labels are needed" in page


def test_wrong_values_and_too_few_labels_are_both_told(market: FrozenMarket) -> None:
    report = market.judge(one("adx", "nan"), min_samples=5000)
    assert report.remedies[0] == LABEL_MORE and len(report.remedies) == 2


def test_daily_bars_of_stocks_since_2000_are_no_wrong_clock(market: FrozenMarket) -> None:
    days = "toDateTime('2000-01-03') + toIntervalDay(rowNumberInAllBlocks() % 6000)"
    report = market.judge(
        rows(timestamp=days, btc_dominance="0.", symbol="concat('S', toString(cityHash64(*)))")
    )
    assert "timestamps" not in [rule.rule for rule in report.failed_rules]


def test_long_and_invisible_labels_are_cut_and_shown(market: FrozenMarket) -> None:
    sql = (
        "multiIf(place < 2, concat(toString(place), repeat('x', 1000000)), place = 2, 'range ', "
        r"place = 3, 'a\x1b[31mred', place = 4, concat('ba', unhex('E280AE'), 'd'), regime_label)"
    )
    numbered = "(SELECT *, row_number() OVER (ORDER BY timestamp DESC) - 1 AS place FROM good)"
    report = market.judge(f"SELECT * EXCEPT place REPLACE ({sql} AS regime_label) FROM {numbered}")
    page = Path(str(report.page)).read_text(encoding="utf-8")
    told = (report.as_text(), report.rules_text(), str(report.to_dict()), page)
    message = failure_message("check_data", DataRejected(report), {}).text
    for words in (*told, message):
        assert len(words) < 100_000
        assert "\x1b" not in words and "\u202e" not in words
    for words in (report.as_text(), message):
        assert "(1,000,001 characters)" in words
        assert "'range '" in words and r"a\x1b[31mred" in words


def test_many_unknown_labels_are_counted_not_listed(market: FrozenMarket) -> None:
    report = market.judge(rows(regime_label="toString(cityHash64(symbol, timestamp))"))
    unknown = [count for count in report.classes if count.problem == "unknown label"]
    assert len(unknown) == 6
    assert next(c for c in unknown if "other" in c.regime).regime == "1,195 other unknown labels"
    assert sum(count.samples for count in report.classes) == report.samples == 1200


def test_thousands_of_long_unknown_labels_are_judged_in_the_memory_there_is(
    market: FrozenMarket,
) -> None:
    label = "concat(toString(cityHash64(symbol, timestamp)), repeat('x', 100000))"
    report = market.judge(rows(regime_label=label))
    assert {rule.rule for rule in report.failed_rules} == {"known labels", "different regimes"}
