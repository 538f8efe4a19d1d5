"""The 22 features, calculated from hourly bars as a trading application would.

Every feature of an hour uses this hour and earlier ones only. Each function takes and returns
frames of hours by symbols; the first `WARM_UP_HOURS` rows are not to be used.
"""

import itertools
import math
from typing import Final

import numpy as np
import pandas as pd

from ml.contract import FEATURES
from sample_market.bars import Bars

WARM_UP_HOURS: Final = 500
"""Hours until the slowest average (EMA 200) has forgotten where it began: 0.7 % of it is left."""

COUNT_WINDOW: Final = 12
CONSOLIDATION_WINDOW: Final = 16
HOURS_A_YEAR: Final = 8_760

_WILDER_PERIOD = 14
_BOLLINGER_PERIOD = 20
_VOLATILITY_WINDOW = 18
_CHANNEL_PERIOD = 20
_DIVERGENCE_WINDOW = 12
_FUNDING_WINDOW = 24
_NARROW_CHANNEL = 5.0


def features(bars: Bars) -> dict[str, pd.DataFrame]:
    """Calculates all features, keyed by name in the contract's order."""
    atr = average_true_range(bars.high, bars.low, bars.close)
    found = {
        "atr_14": atr,
        "atr_pct": 100 * atr / bars.close,
        "bb_width": bollinger_width(bars.close),
        "historical_vol": historical_volatility(bars.close),
        "adx": average_directional_index(bars.high, bars.low, bars.close),
        **{f"ema_{span}": ema(bars.close, span) for span in (9, 21, 55, 200)},
        "higher_highs_count": _count(bars.high > bars.high.shift(), COUNT_WINDOW),
        "lower_lows_count": _count(bars.low < bars.low.shift(), COUNT_WINDOW),
        "volume_24h": bars.volume.rolling(24).sum(),
        "volume_change_pct": volume_change(bars.volume),
        "volume_price_divergence": volume_price_divergence(bars.close, bars.volume),
        "support_breaks": support_breaks(bars.low, bars.close),
        "resistance_breaks": resistance_breaks(bars.high, bars.close),
        "consolidation_periods": consolidation_periods(bars.high, bars.low, atr),
        "btc_dominance": pd.DataFrame(dict.fromkeys(bars.close, bars.btc_dominance)),
        "correlation_tightness": correlation_tightness(bars.close),
        "funding_rate": bars.funding,
        "funding_rate_ma": bars.funding.rolling(_FUNDING_WINDOW).mean(),
        "liquidations_24h": bars.liquidations.rolling(24).sum(),
    }
    return {name: found[name] for name in FEATURES}


def ema(close: pd.DataFrame, span: int) -> pd.DataFrame:
    """Exponential moving average: `ema += (close - ema) * 2 / (span + 1)`."""
    return close.ewm(span=span, adjust=False).mean()


def ema_alignment(averages: list[pd.DataFrame]) -> pd.DataFrame:
    """Names the order of EMAs given from fast to slow: 'bullish', 'bearish' or 'mixed'."""
    pairs = list(itertools.pairwise(averages))
    bullish = np.logical_and.reduce([fast > slow for fast, slow in pairs])
    bearish = np.logical_and.reduce([fast < slow for fast, slow in pairs])
    names = np.where(bullish, "bullish", np.where(bearish, "bearish", "mixed"))
    return pd.DataFrame(names, index=averages[0].index, columns=averages[0].columns)


def average_true_range(high: pd.DataFrame, low: pd.DataFrame, close: pd.DataFrame) -> pd.DataFrame:
    """ATR over 14 hours (J. W. Wilder, New Concepts in Technical Trading Systems, 1978).

    True range is the greatest of high - low, |high - previous close|, |low - previous close|.
    """
    return _wilder(_true_range(high, low, close))


def average_directional_index(
    high: pd.DataFrame, low: pd.DataFrame, close: pd.DataFrame
) -> pd.DataFrame:
    """ADX over 14 hours, 0 to 100 (Wilder 1978): the smoothed |+DI - -DI| / (+DI + -DI)."""
    rise, fall = high.diff(), -low.diff()
    plus = _wilder(rise.where((rise > fall) & (rise > 0), 0.0))
    minus = _wilder(fall.where((fall > rise) & (fall > 0), 0.0))
    total = plus + minus
    # Both +DI and -DI are divided by the same ATR, so it cancels; no movement at all means 0.
    index = (100 * (plus - minus).abs() / total).where(total > 0, 0.0)
    return _wilder(index)


def bollinger_width(close: pd.DataFrame) -> pd.DataFrame:
    """Width of the Bollinger bands, in percent of the middle one.

    The bands lie 2 standard deviations (of the population) about the mean of 20 closes
    (J. Bollinger, Bollinger on Bollinger Bands, 2001).
    """
    window = close.rolling(_BOLLINGER_PERIOD)
    return 100 * 4 * window.std(ddof=0) / window.mean()


def historical_volatility(close: pd.DataFrame) -> pd.DataFrame:
    """Standard deviation of 18 hourly log returns, annualised (8,760 hours), in percent."""
    deviation = _log_returns(close).rolling(_VOLATILITY_WINDOW).std()
    return deviation * (100 * math.sqrt(HOURS_A_YEAR))


def volume_change(volume: pd.DataFrame) -> pd.DataFrame:
    """Change of the 24-hour volume against the 24 hours before, in percent."""
    day = volume.rolling(24).sum()
    return 100 * (day / day.shift(24) - 1)


def volume_price_divergence(close: pd.DataFrame, volume: pd.DataFrame) -> pd.DataFrame:
    """Share of 12-hour volume on the buying side that the price does not show, -2 to 2.

    On-balance volume (J. Granville 1963) of 12 hours as a share of its volume, less their move
    as a share of the way gone (efficiency ratio, P. Kaufman 1995). Above 0: bought, yet flat.
    """
    change = close.diff()
    balance = (change.apply(np.sign) * volume).rolling(_DIVERGENCE_WINDOW).sum() / volume.rolling(
        _DIVERGENCE_WINDOW
    ).sum()
    way = change.abs().rolling(_DIVERGENCE_WINDOW).sum()
    return balance - (change.rolling(_DIVERGENCE_WINDOW).sum() / way).where(way > 0, 0.0)


def support_breaks(low: pd.DataFrame, close: pd.DataFrame) -> pd.DataFrame:
    """Closes in 12 hours below the lowest low of the 20 hours before (R. Donchian's channel)."""
    return _count(close < low.rolling(_CHANNEL_PERIOD).min().shift(), COUNT_WINDOW)


def resistance_breaks(high: pd.DataFrame, close: pd.DataFrame) -> pd.DataFrame:
    """Closes in 12 hours above the highest high of the 20 hours before (Donchian's channel)."""
    return _count(close > high.rolling(_CHANNEL_PERIOD).max().shift(), COUNT_WINDOW)


def consolidation_periods(high: pd.DataFrame, low: pd.DataFrame, atr: pd.DataFrame) -> pd.DataFrame:
    """Hours of the last 16 in which the 20-hour channel was narrower than 5 ATR."""
    channel = high.rolling(_CHANNEL_PERIOD).max() - low.rolling(_CHANNEL_PERIOD).min()
    return _count(channel < _NARROW_CHANNEL * atr, CONSOLIDATION_WINDOW)


def correlation_tightness(close: pd.DataFrame) -> pd.DataFrame:
    """Correlation over 18 hours of a symbol's returns with the mean of all others, -1 to 1."""
    returns = _log_returns(close)
    others = (-returns).add(returns.sum(axis=1), axis=0) / (returns.shape[1] - 1)
    correlation = returns.rolling(_VOLATILITY_WINDOW).corr(others)
    return correlation.fillna(0.0).clip(-1.0, 1.0)


def _log_returns(close: pd.DataFrame) -> pd.DataFrame:
    return close.apply(np.log).diff()


def _true_range(high: pd.DataFrame, low: pd.DataFrame, close: pd.DataFrame) -> pd.DataFrame:
    before = close.shift().fillna(close)
    return high.where(high > before, before) - low.where(low < before, before)


def _wilder(values: pd.DataFrame) -> pd.DataFrame:
    """Wilder's smoothing: an exponential average with weight 1/14."""
    return values.ewm(alpha=1 / _WILDER_PERIOD, adjust=False).mean()


def _count(events: pd.DataFrame, window: int) -> pd.DataFrame:
    return events.astype("float64").rolling(window).sum()
