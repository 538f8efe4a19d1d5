"""The gate passes good data, says no to each kind of bad data, and never guesses."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Engine, text

from clickhouse.errors import ClickHouseRefused
from clickhouse.snapshot import freeze
from expectations.errors import DataRejected, GateNotRun
from expectations.gate import FrozenTable, run_gate
from expectations.report import GateReport
from expectations.suite import build_suite
from expectations.thresholds import Thresholds
from ml.contract import FEATURES, REGIMES
from pipeline.tasks.check_data import CONTRACT

Judge = Callable[..., GateReport]


def _set(market: pd.DataFrame, column: str, value: object, rows: int = 1) -> pd.DataFrame:
    """Changes a column in the first `rows` labelled rows."""
    market = market.copy()
    labelled = market.index[market["regime_label"] != ""][:rows]
    market.loc[labelled, column] = value
    return market


def _failed(report: GateReport) -> list[str]:
    return [rule.rule for rule in report.failed_rules]


def test_good_market_passes_and_counts_every_regime(
    judge: Judge, good_market: pd.DataFrame
) -> None:
    report = judge(good_market)
    counts = good_market["regime_label"].value_counts()
    assert (report.passed, report.failed_rules, report.samples) == (True, (), 1200)
    assert {c.regime: c.samples for c in report.classes} == {r: counts.get(r, 0) for r in REGIMES}


def test_rules_are_reported_in_the_order_of_the_suite(
    judge: Judge, good_market: pd.DataFrame
) -> None:
    listed = build_suite(CONTRACT, Thresholds()).expectations
    reported = [rule.rule for rule in judge(good_market).rules]
    assert reported == [rule.meta["rule"] for rule in listed if rule.meta]


def test_rows_written_twice_count_once(judge: Judge, good_market: pd.DataFrame) -> None:
    assert judge(pd.concat([good_market, good_market])).samples == 1200


def test_too_few_samples_are_rejected_with_count_and_bound(
    judge: Judge, good_market: pd.DataFrame
) -> None:
    report = judge(good_market, min_samples=1201)
    rule = report.failed_rules[0]
    assert (rule.rule, rule.expected, rule.observed) == (
        "labelled samples",
        "at least 1201",
        "1200",
    )
    assert len(report.failed_rules) == 1


def test_no_labels_at_all_are_rejected_not_an_error(
    judge: Judge, good_market: pd.DataFrame
) -> None:
    report = judge(good_market.assign(regime_label=""))
    assert report.samples == 0
    assert {"labelled samples", "different regimes"} <= set(_failed(report))


def test_too_few_regimes_are_rejected(judge: Judge, good_market: pd.DataFrame) -> None:
    two = good_market[good_market["regime_label"].isin(["", "range", "volatile"])]
    assert _failed(judge(two, min_samples=1)) == ["different regimes"]


def test_rare_regime_is_rejected_and_says_how_many_labels_are_missing(
    judge: Judge, good_market: pd.DataFrame
) -> None:
    of_range = good_market.index[good_market["regime_label"] == "range"]
    report = judge(good_market.drop(of_range[9:]))
    (rule,) = report.failed_rules
    assert rule.rule == "class balance"
    assert "range 9" in rule.observed
    count = next(c for c in report.classes if c.regime == "range")
    assert (count.problem, count.missing > 0) == ("fewer than 10 samples", True)


def test_dominating_regime_is_rejected(judge: Judge, good_market: pd.DataFrame) -> None:
    report = judge(good_market, max_class_share=0.15)
    assert _failed(report) == ["class balance"]
    assert "more than 15.0% of all" in report.failed_rules[0].observed


def test_unknown_label_is_rejected_and_named(judge: Judge, good_market: pd.DataFrame) -> None:
    report = judge(_set(good_market, "regime_label", "Range", rows=20))
    assert _failed(report) == ["known labels"]
    assert "regime_label Range" in next(
        r.observed for r in report.failed_rules if r.rule == "known labels"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
def test_value_that_is_not_finite_is_rejected_with_its_row(
    judge: Judge, good_market: pd.DataFrame, value: float
) -> None:
    market = _set(good_market, "adx", value)
    report = judge(market)
    (rule,) = report.failed_rules
    symbol = market.loc[market["regime_label"] != "", "symbol"].iloc[0]
    assert rule.rule == "finite adx"
    assert rule.observed.startswith("1 row,") and f"symbol {symbol}" in rule.observed


def test_old_labels_are_rejected_only_where_an_age_is_set(
    judge: Judge, good_market: pd.DataFrame
) -> None:
    old = good_market.assign(timestamp=good_market["timestamp"] - pd.Timedelta(days=40))
    assert judge(old).passed
    report = judge(old, max_label_age_days=30)
    assert _failed(report) == ["age of the newest label"]
    assert report.failed_rules[0].observed.startswith("40.")


def test_each_run_gets_its_own_page_and_a_retry_the_same(
    judge: Judge, good_market: pd.DataFrame
) -> None:
    first, second = judge(good_market, run_id="one"), judge(good_market, run_id="two")
    assert first.page != second.page
    for report, run in ((first, "one"), (second, "two")):
        page = Path(str(report.page))
        assert run in page.parts
        assert "trend_up" in page.read_text(encoding="utf-8")


def test_rejected_page_shows_the_class_table(judge: Judge, good_market: pd.DataFrame) -> None:
    page = Path(str(judge(good_market, max_class_share=0.15).page)).read_text(encoding="utf-8")
    assert "Labels missing" in page and "more than 15.0% of all" in page


def test_label_with_markup_is_escaped_on_the_page(judge: Judge, good_market: pd.DataFrame) -> None:
    report = judge(_set(good_market, "regime_label", "<b>x</b>", rows=20))
    table = Path(str(report.page)).read_text(encoding="utf-8").split("Labels missing")[1]
    assert "&lt;b&gt;x&lt;/b&gt;" in table.split("</table>")[0]


def test_snapshot_that_lacks_a_column_is_no_verdict_but_names_it(
    engine: Engine, judge: Judge, good_market: pd.DataFrame, tmp_path: Path
) -> None:
    judge(good_market)
    snapshot = freeze(engine, "run", FEATURES)
    with engine.connect() as connection:
        connection.execute(text(f"ALTER TABLE {snapshot.name} DROP COLUMN adx"))
    frozen = FrozenTable(snapshot.database, snapshot.table, "run", datetime.now(UTC) - timedelta(1))
    with pytest.raises(ClickHouseRefused, match="adx"):
        run_gate(engine, frozen, CONTRACT, Thresholds(), tmp_path / "docs")


def test_snapshot_that_is_gone_is_no_verdict_but_named(engine: Engine, tmp_path: Path) -> None:
    frozen = FrozenTable("default", "regime_snapshot_gone", "run", datetime.now(UTC))
    with pytest.raises(ClickHouseRefused, match="regime_snapshot_gone"):
        run_gate(engine, frozen, CONTRACT, Thresholds(), tmp_path / "docs")


def test_rule_that_cannot_run_is_no_verdict_and_named(
    judge: Judge, good_market: pd.DataFrame
) -> None:
    unknown = replace(CONTRACT, ranges={"no_such_column": (0, 1)})
    with pytest.raises(GateNotRun, match="possible no_such_column"):
        judge(good_market, contract=unknown)


def test_report_is_small_plain_and_readable(judge: Judge, good_market: pd.DataFrame) -> None:
    report = judge(good_market, min_samples=2000)
    told = str(pickle.loads(pickle.dumps(DataRejected(report))))
    assert "Insufficient data quality" in told
    assert "at least 2000" in told and "1200" in told
    assert report.to_dict()["failed_rules"][0]["observed"] == "1200"
    assert len(str(report.to_dict())) < 4000
