"""Good markets that look odd: the gate lets each of them pass, most without a word."""

from datetime import timedelta

import pytest

from sample_market import MarketSpec, simulate
from sample_market.spec import first_symbols
from tests.expectations.frozen_market import LAST_HOUR, FrozenMarket, rows, times_price

VOLATILITIES = ("atr_14", "atr_pct", "bb_width", "historical_vol")
_NEWEST = "(SELECT max(timestamp) FROM good)"


def _times_volatility(factor: float) -> dict[str, str]:
    return {name: f"{name} * {factor}" for name in VOLATILITIES}


def _crash() -> str:
    """Two days in which all prices halve and everything swings five times as wide."""
    after = f"timestamp > {_NEWEST} - INTERVAL 2 DAY"
    # The slow averages follow late.
    left = {"ema_9": 0.5, "ema_21": 0.55, "ema_55": 0.65, "ema_200": 0.8}
    fallen = {name: f"if({after}, {name} * {share}, {name})" for name, share in left.items()}
    wide = {name: f"if({after}, {name} * 5, {name})" for name in VOLATILITIES}
    # atr_14 is in prices, which halve.
    wide["atr_14"] = f"if({after}, atr_14 * 2.5, atr_14)"
    return rows(
        **fallen,
        **wide,
        liquidations_24h=f"if({after}, liquidations_24h * 40, liquidations_24h)",
        volume_change_pct=f"if({after}, volume_change_pct + 900, volume_change_pct)",
        regime_label=f"if({after} - INTERVAL 7 HOUR, 'volatile', regime_label)",
    )


def _uneven_classes() -> str:
    """Seven classes: one of just 70 %, the others of 1 % (exactly 12 rows) and more."""
    names = "['trend_up', 'trend_down', 'breakout', 'volatile', 'accumulation', 'distribution']"
    place = "row_number() OVER (ORDER BY cityHash64(symbol, timestamp)) AS place"
    # 360 rows are shared by six regimes: 12, 12, 12, 12, 12 and the rest.
    rare = f"arrayElement({names}, toUInt8(least(6, intDiv(place - 841, 12) + 1)))"
    return (
        f"SELECT * EXCEPT place REPLACE (if(place <= 840, 'range', {rare}) AS regime_label) "
        f"FROM (SELECT *, {place} FROM good)"
    )


def _hundreds_of_symbols() -> str:
    """The good market's rows, spread over 200 names."""
    return rows(symbol="concat(toString(symbol), '_', toString(cityHash64(timestamp) % 50))")


SILENT = {
    "one_symbol": rows("symbol = 'BTCUSDT'"),
    "two_symbols": rows("symbol IN ('BTCUSDT', 'ETHUSDT')"),
    "three_regimes": rows(
        "regime_label NOT IN ('breakout', 'trend_up', 'trend_down', 'distribution')"
    ),
    "quiet_market": rows(**_times_volatility(0.001)),
    "wild_market": rows(**_times_volatility(20)),
    "crash": _crash(),
    "exactly_300_rows": rows() + " ORDER BY cityHash64(symbol, timestamp) LIMIT 300",
    "uneven_classes_at_the_bounds": _uneven_classes(),
    "new_symbol_of_another_price": f"{rows()} UNION ALL "
    + rows("symbol = 'SOLUSDT'", symbol="'NEWUSDT'", **times_price(50_000), adx="100 - adx"),
    "prices_of_a_millionth": rows(**times_price(1e-8)),
    "prices_of_millions": rows(**times_price(1e6)),
    "most_volume_changes_and_liquidations_zero": rows(
        volume_change_pct="if(cityHash64(timestamp) % 10 = 0, volume_change_pct, 0.)",
        liquidations_24h="if(cityHash64(timestamp) % 10 = 0, liquidations_24h, 0.)",
    ),
    "labels_only_of_the_last_days": rows(f"timestamp > {_NEWEST} - INTERVAL 10 DAY"),
    "hundreds_of_symbols": _hundreds_of_symbols(),
    "no_labels_on_weekends": rows("toDayOfWeek(timestamp) < 6"),
    "constant_dominance_for_a_day": rows(
        btc_dominance=f"if(timestamp > {_NEWEST} - INTERVAL 1 DAY, 50., btc_dominance)"
    ),
    "atr_pct_as_a_share": rows(atr_pct="atr_pct / 100"),
    "values_at_the_ends_of_their_ranges": rows(
        adx="if(adx > 50, 100., 0.)",
        btc_dominance="if(btc_dominance > 50, 100., 0.)",
        correlation_tightness="if(correlation_tightness > 0, 1., -1.)",
        volume_change_pct="if(volume_change_pct < 0, -100., volume_change_pct)",
        consolidation_periods="if(consolidation_periods > 10, 200, 0)",
    ),
    "pump_to_five_times_the_slow_average": rows(
        ema_200="ema_9 / 5", ema_55="ema_9 / 3", ema_21="ema_9 / 2"
    ),
    "newest_row_of_this_hour": rows(
        timestamp=f"assumeNotNull(timestamp + (toUInt32(now()) - toUInt32({_NEWEST})))"
    ),
    "old_rows_where_no_age_is_set": rows(timestamp="timestamp - INTERVAL 8 YEAR"),
    "odd_names_of_symbols": rows(
        symbol="transform(toString(symbol), ['BTCUSDT', 'ETHUSDT', 'SOLUSDT'], "
        r"['1000PEPE/USDT:USDT', 'O\'NEIL \"x\"', 'ЯЮ 币'], toString(symbol))"
    ),
    "timestamps_with_a_zone": rows(timestamp="toDateTime(timestamp, 'Asia/Tokyo')"),
    "texts_not_of_low_cardinality": rows(
        symbol="toString(symbol)", regime_label="toString(regime_label)"
    ),
    "daily_bars": rows(
        "toHour(timestamp) % 3 = 0", timestamp="now() - (toUInt32(now()) - toUInt32(timestamp)) * 8"
    ),
    "bars_of_a_minute": rows(timestamp="now() - intDiv(toUInt32(now()) - toUInt32(timestamp), 60)"),
    "day_that_all_symbols_trend": rows(
        regime_label="if(timestamp BETWEEN (SELECT toStartOfDay(min(timestamp)) FROM good) "
        "+ INTERVAL 233 HOUR AND (SELECT toStartOfDay(min(timestamp)) FROM good) "
        "+ INTERVAL 273 HOUR, 'trend_up', regime_label)"
    ),
}
"""Nothing is wrong with these, and nothing is said."""

REMARKED = {
    "liquidations_never_reported": (rows(liquidations_24h="0."), "features vary"),
    "constant_dominance": (rows(btc_dominance="50."), "features vary"),
    "labels_of_two_seasons": (
        rows(
            "timestamp < (SELECT min(timestamp) FROM good) + INTERVAL 10 DAY "
            f"OR timestamp > {_NEWEST} - INTERVAL 5 DAY"
        ),
        "labels over time",
    ),
    "market_of_one_regime_for_weeks": (
        rows(
            "symbol != 'XRPUSDT' OR cityHash64(timestamp) % 4 = 0",
            regime_label="if(symbol = 'XRPUSDT', 'range', regime_label)",
        ),
        "labels of each symbol",
    ),
}
"""These pass too, with a warning: a market may do that, and a person should look."""


@pytest.mark.points
@pytest.mark.parametrize("select", SILENT.values(), ids=SILENT.keys())
def test_unusual_market_passes_without_a_word(market: FrozenMarket, select: str) -> None:
    report = market.judge(select)
    assert (report.failed_rules, report.warnings) == ((), ())


@pytest.mark.parametrize(("select", "warning"), REMARKED.values(), ids=REMARKED.keys())
def test_remarkable_market_passes_with_one_warning(
    market: FrozenMarket, select: str, warning: str
) -> None:
    report = market.judge(select)
    assert report.passed
    assert [rule.rule for rule in report.warnings] == [warning]


def test_rows_not_merged_yet_pass_and_count_once(market: FrozenMarket) -> None:
    frame = simulate(MarketSpec(rows=3600, seed=5, end=LAST_HOUR))
    report = market.judge_loaded(frame, frame, frame)
    assert (report.failed_rules, report.warnings, report.samples) == ((), (), 1200)


@pytest.mark.parametrize(
    "spec",
    [
        MarketSpec(rows=24 * 150, symbols=first_symbols(150), labelled_share=0.3, seed=2),
        MarketSpec(rows=12_000, seed=11, labelled_share=0.1),
        MarketSpec(rows=2400, seed=4, symbols=first_symbols(3), labelled_share=1.0),
        MarketSpec(rows=3600, seed=9, end=LAST_HOUR - timedelta(days=300)),
        MarketSpec(rows=3600, seed=6, end=LAST_HOUR, label_error_share=0.4),
    ],
    ids=["many_symbols_of_one_day", "few_labels", "every_row_labelled", "last_year", "careless"],
)
def test_other_simulated_market_passes_without_a_word(
    market: FrozenMarket, spec: MarketSpec
) -> None:
    report = market.judge_loaded(simulate(spec))
    assert (report.failed_rules, report.warnings) == ((), ())
