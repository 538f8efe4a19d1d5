"""Every formula against a loop written by hand from its source, and no look into the future."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from ml.contract import FEATURES
from sample_market.bars import Bars
from sample_market.indicators import WARM_UP_HOURS, ema_alignment, features

SYMBOL = "ETHUSDT"


@pytest.fixture(scope="module")
def found(bars):
    """All features of all symbols."""
    return features(bars)


def after_warm_up(values):
    return np.asarray(values, dtype="float64")[WARM_UP_HOURS:]


def true_ranges(bars):
    high, low, close = (getattr(bars, name)[SYMBOL].to_list() for name in ("high", "low", "close"))
    later = [
        max(high[i] - low[i], abs(high[i] - close[i - 1]), abs(low[i] - close[i - 1]))
        for i in range(1, len(close))
    ]
    return [high[0] - low[0], *later]


def wilder(values, period=14):
    """Wilder's own way: a plain mean of the first values, then 13 parts old, 1 part new."""
    smoothed = [np.mean(values[: i + 1]) for i in range(period)]
    for value in values[period:]:
        smoothed.append((smoothed[-1] * (period - 1) + value) / period)
    return smoothed


def windows(values, size):
    """Yields the last `size` values of every hour after the warm-up."""
    values = np.asarray(values)
    for i in range(WARM_UP_HOURS, len(values)):
        yield values[i - size + 1 : i + 1]


def test_features_are_the_contracts_in_order(found):
    assert list(found) == list(FEATURES)


def test_features_do_not_change_when_the_future_does(bars, found):
    cut = 620
    rng = np.random.default_rng(0)
    changed = {}
    for field in dataclasses.fields(Bars):
        values = getattr(bars, field.name).copy()
        values.iloc[cut:] = values.iloc[cut:] * rng.uniform(0.5, 2.0, values.iloc[cut:].shape)
        changed[field.name] = values
    later = features(Bars(**changed))
    for name in FEATURES:
        before, after = found[name].iloc[:cut], later[name].iloc[:cut]
        pd.testing.assert_frame_equal(before, after, check_exact=True)
        assert not found[name].iloc[cut:].equals(later[name].iloc[cut:]), name


def test_features_are_finite_after_warm_up(found):
    for name, frame in found.items():
        assert np.isfinite(frame.iloc[WARM_UP_HOURS:].to_numpy()).all(), name


@pytest.mark.parametrize("span", [9, 21, 55, 200])
def test_ema_matches_naive_loop(bars, found, span):
    average = bars.close[SYMBOL].iloc[0]
    naive = []
    for close in bars.close[SYMBOL]:
        average += (close - average) * 2 / (span + 1)
        naive.append(average)
    np.testing.assert_allclose(found[f"ema_{span}"][SYMBOL], naive, rtol=1e-12)


def test_atr_matches_wilders_loop(bars, found):
    naive = after_warm_up(wilder(true_ranges(bars)))
    np.testing.assert_allclose(after_warm_up(found["atr_14"][SYMBOL]), naive, rtol=1e-9)
    percent = 100 * naive / after_warm_up(bars.close[SYMBOL])
    np.testing.assert_allclose(after_warm_up(found["atr_pct"][SYMBOL]), percent, rtol=1e-9)


def test_adx_matches_wilders_loop(bars, found):
    high, low = bars.high[SYMBOL].to_list(), bars.low[SYMBOL].to_list()
    plus, minus = [0.0], [0.0]
    for i in range(1, len(high)):
        up, down = high[i] - high[i - 1], low[i - 1] - low[i]
        plus.append(up if up > down and up > 0 else 0.0)
        minus.append(down if down > up and down > 0 else 0.0)
    ranges = wilder(true_ranges(bars))
    index = []
    for plus_moved, minus_moved, moved in zip(wilder(plus), wilder(minus), ranges, strict=True):
        plus_di, minus_di = 100 * plus_moved / moved, 100 * minus_moved / moved
        total = plus_di + minus_di
        index.append(100 * abs(plus_di - minus_di) / total if total else 0.0)
    naive = after_warm_up(wilder(index))
    np.testing.assert_allclose(after_warm_up(found["adx"][SYMBOL]), naive, rtol=1e-9)


def test_bollinger_width_matches_definition(bars, found):
    naive = [
        100 * (w.mean() + 2 * w.std() - (w.mean() - 2 * w.std())) / w.mean()
        for w in windows(bars.close[SYMBOL], 20)
    ]
    np.testing.assert_allclose(after_warm_up(found["bb_width"][SYMBOL]), naive, rtol=1e-6)


def test_historical_volatility_is_annualised(bars, found):
    returns = np.diff(np.log(bars.close[SYMBOL].to_numpy()), prepend=np.nan)
    naive = [100 * w.std(ddof=1) * np.sqrt(24 * 365) for w in windows(returns, 18)]
    np.testing.assert_allclose(after_warm_up(found["historical_vol"][SYMBOL]), naive, rtol=1e-6)


def test_volume_features_match_definition(bars, found):
    day = np.array([w.sum() for w in windows(bars.volume[SYMBOL], 24)])
    both = np.array([w.sum() for w in windows(bars.volume[SYMBOL], 48)])
    np.testing.assert_allclose(after_warm_up(found["volume_24h"][SYMBOL]), day, rtol=1e-9)
    change = 100 * (day - (both - day)) / (both - day)
    np.testing.assert_allclose(
        after_warm_up(found["volume_change_pct"][SYMBOL]), change, rtol=1e-6, atol=1e-9
    )
    forced = [w.sum() for w in windows(bars.liquidations[SYMBOL], 24)]
    np.testing.assert_allclose(after_warm_up(found["liquidations_24h"][SYMBOL]), forced, rtol=1e-6)


def test_volume_price_divergence_matches_definition(bars, found):
    close, volume = bars.close[SYMBOL].to_numpy(), bars.volume[SYMBOL].to_numpy()
    naive = []
    for i in range(WARM_UP_HOURS, len(close)):
        moves, traded = np.diff(close[i - 12 : i + 1]), volume[i - 11 : i + 1]
        bought = sum(v if m > 0 else -v for m, v in zip(moves, traded, strict=True))
        naive.append(bought / traded.sum() - (close[i] - close[i - 12]) / np.abs(moves).sum())
    values = after_warm_up(found["volume_price_divergence"][SYMBOL])
    np.testing.assert_allclose(values, naive, atol=1e-9)


def test_counts_match_definition(bars, found):
    high, low, close = (getattr(bars, name)[SYMBOL].to_numpy() for name in ("high", "low", "close"))
    atr, n = found["atr_14"][SYMBOL].to_numpy(), len(close)
    events = {
        "higher_highs_count": (12, [high[i] > high[i - 1] for i in range(n)]),
        "lower_lows_count": (12, [low[i] < low[i - 1] for i in range(n)]),
        "support_breaks": (
            12,
            [i > 20 and close[i] < low[i - 20 : i].min() for i in range(n)],
        ),
        "resistance_breaks": (
            12,
            [i > 20 and close[i] > high[i - 20 : i].max() for i in range(n)],
        ),
        "consolidation_periods": (
            16,
            [
                i > 20 and high[i - 19 : i + 1].max() - low[i - 19 : i + 1].min() < 5 * atr[i]
                for i in range(n)
            ],
        ),
    }
    for name, (size, happened) in events.items():
        naive = [w.sum() for w in windows(np.array(happened, dtype=int), size)]
        assert after_warm_up(found[name][SYMBOL]).tolist() == naive, name


def test_correlation_tightness_matches_numpy(bars, found):
    returns = np.log(bars.close).diff()
    others = returns.drop(columns=SYMBOL).mean(axis=1).to_numpy()
    own = returns[SYMBOL].to_numpy()
    naive = [
        np.corrcoef(own[i - 17 : i + 1], others[i - 17 : i + 1])[0, 1]
        for i in range(WARM_UP_HOURS, len(own))
    ]
    values = after_warm_up(found["correlation_tightness"][SYMBOL])
    np.testing.assert_allclose(values, naive, atol=1e-8)


def test_funding_average_is_over_24_hours(bars, found):
    naive = [w.mean() for w in windows(bars.funding[SYMBOL], 24)]
    np.testing.assert_allclose(after_warm_up(found["funding_rate_ma"][SYMBOL]), naive, atol=1e-12)


def test_flat_price_gives_finite_features(bars):
    flat = dict.fromkeys(("high", "low", "close"), bars.close * 0 + 5.0)
    for name, frame in features(dataclasses.replace(bars, **flat)).items():
        assert np.isfinite(frame.iloc[WARM_UP_HOURS:].to_numpy()).all(), name


@pytest.mark.parametrize(
    ("averages", "name"),
    [((3, 2, 1), "bullish"), ((1, 2, 3), "bearish"), ((1, 3, 2), "mixed"), ((2, 2, 1), "mixed")],
)
def test_ema_alignment_names_the_order(averages, name):
    frames = [pd.DataFrame({"BTCUSDT": [float(average)]}) for average in averages]
    assert ema_alignment(frames).iloc[0, 0] == name
