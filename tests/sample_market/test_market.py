"""The simulated frame: its shape, its ranges, its repeatability."""

from datetime import UTC, datetime
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from ml.contract import COUNTS, FEATURES, REGIMES
from sample_market import MarketSpec, simulate

END = datetime(2026, 11, 22, 2, tzinfo=UTC)
EMAS = ["ema_9", "ema_21", "ema_55", "ema_200"]

RANGES = {
    "atr_14": (0, np.inf),
    "atr_pct": (0, 20),
    "bb_width": (0, 100),
    "historical_vol": (0, 1_000),
    "adx": (0, 100),
    **dict.fromkeys(EMAS, (1e-6, 1e7)),
    "higher_highs_count": (0, 12),
    "lower_lows_count": (0, 12),
    "volume_24h": (1, np.inf),
    "volume_change_pct": (-100, 5_000),
    "volume_price_divergence": (-2, 2),
    "support_breaks": (0, 12),
    "resistance_breaks": (0, 12),
    "consolidation_periods": (0, 16),
    "btc_dominance": (40, 65),
    "correlation_tightness": (-1, 1),
    "funding_rate": (-0.01, 0.01),
    "funding_rate_ma": (-0.01, 0.01),
    "liquidations_24h": (0, np.inf),
}


def test_simulate_columns_are_the_tables():
    frame = simulate(MarketSpec(rows=200, end=END))
    assert list(frame.columns) == [
        *("symbol", "timestamp", *FEATURES),
        *("ema_alignment", "regime_label"),
    ]


def test_simulate_types_are_the_tables(market):
    for name in FEATURES:
        assert market[name].dtype == ("uint8" if name in COUNTS else "float64"), name
    assert market["timestamp"].dtype == "datetime64[s]"
    for name in ("symbol", "ema_alignment", "regime_label"):
        assert market[name].map(type).eq(str).all()


def test_simulate_same_spec_gives_identical_frame(market):
    pd.testing.assert_frame_equal(simulate(MarketSpec(end=END)), market, check_exact=True)


def test_simulate_other_seed_gives_other_market(market):
    other = simulate(MarketSpec(end=END, seed=8))
    assert not np.isclose(other["ema_9"], market["ema_9"]).any()


@pytest.mark.parametrize("rows", [200, 201, 203, 1_000])
def test_simulate_rows_are_exact_and_unique(rows):
    frame = simulate(MarketSpec(rows=rows, end=END))
    assert len(frame) == rows
    assert not frame.duplicated(["symbol", "timestamp"]).any()


def test_simulate_hours_are_gapless_up_to_the_end(market):
    for _, history in market.groupby("symbol"):
        assert (history["timestamp"].diff().dropna() == pd.Timedelta(hours=1)).all()
        assert history["timestamp"].max() == pd.Timestamp(END).tz_localize(None)


def test_simulate_end_in_another_zone_is_converted():
    local = END.astimezone(datetime.strptime("+0530", "%z").tzinfo)
    frame = simulate(MarketSpec(rows=200, end=local))
    assert frame["timestamp"].max() == pd.Timestamp(END).tz_localize(None)


@pytest.mark.parametrize("feature", FEATURES)
def test_feature_stays_in_its_range(market, feature):
    low, high = RANGES[feature]
    assert np.isfinite(market[feature]).all()
    assert market[feature].between(low, high).all()


def test_features_vary_for_each_symbol_and_differ_from_each_other(market):
    for _, history in market.groupby("symbol"):
        assert (history[list(FEATURES)].nunique() > 5).all()
    for one, other in combinations(FEATURES, 2):
        assert not np.allclose(market[one], market[other]), (one, other)


def test_emas_of_a_row_are_close_to_each_other(market):
    ratio = market[EMAS].max(axis=1) / market[EMAS].min(axis=1)
    assert ratio.max() < 2


def test_ema_alignment_agrees_with_the_averages(market):
    rising = market[EMAS].apply(lambda row: list(row) == sorted(row), axis=1)
    falling = market[EMAS].apply(lambda row: list(row) == sorted(row, reverse=True), axis=1)
    assert (market["ema_alignment"] == "bearish").equals(rising)
    assert (market["ema_alignment"] == "bullish").equals(falling)
    assert market["ema_alignment"].nunique() == 3


def test_symbols_trade_at_different_prices_and_share_a_factor(market):
    prices = market.groupby("symbol")["ema_9"].median()
    assert prices["BTCUSDT"] > 5 * prices["ETHUSDT"] > 5 * prices["SOLUSDT"]
    tightness = market.groupby("regime_label")["correlation_tightness"].mean()
    assert tightness["volatile"] > tightness["breakout"] + 0.15


@pytest.mark.parametrize("seed", range(4))
def test_regimes_all_occur_in_sane_shares(seed):
    labels = simulate(MarketSpec(end=END, seed=seed))["regime_label"]
    shares = labels[labels != ""].value_counts(normalize=True)
    assert set(shares.index) == set(REGIMES)
    assert shares.between(0.05, 0.30).all()


def test_simulate_100_000_rows_takes_more_symbols_and_less_than_a_year():
    frame = simulate(MarketSpec(rows=100_000, end=END))
    assert frame["symbol"].nunique() == 12
    assert frame["timestamp"].max() - frame["timestamp"].min() < pd.Timedelta(days=360)
    assert np.isfinite(frame[list(FEATURES)].to_numpy("float64")).all()
