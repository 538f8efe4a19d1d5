"""Prices of the simulated market: hourly closes, and the extremes within each hour."""

import numpy as np

from sample_market.conditions import Conditions, Matrix, heavy_tailed

_PRICES = {
    "BTCUSDT": 64_000.0,
    "ETHUSDT": 3_200.0,
    "SOLUSDT": 150.0,
    "XRPUSDT": 0.6,
    "BNBUSDT": 580.0,
    "DOGEUSDT": 0.12,
    "ADAUSDT": 0.45,
    "AVAXUSDT": 28.0,
    "LINKUSDT": 14.0,
    "LTCUSDT": 85.0,
    "DOTUSDT": 6.5,
    "TRXUSDT": 0.13,
}


def draw_prices(
    conditions: Conditions, factor: Matrix, start: Matrix, rng: np.random.Generator
) -> tuple[Matrix, Matrix]:
    """Log returns and log closes: drift, pull to the price where the regime began, shared noise."""
    correlation = conditions.of("correlation")
    own = heavy_tailed(rng, correlation.shape)
    noise = correlation * factor + np.sqrt(1 - correlation**2) * own
    fading = np.exp(-conditions.age / conditions.of("fade"))
    drift = conditions.of("drift") * conditions.direction * fading
    pushes = conditions.deviation * (drift + noise)
    pull, begins = conditions.of("pull"), conditions.age == 0
    closes = np.empty_like(pushes)
    level, anchor = start, start
    for hour, push in enumerate(pushes):
        anchor = np.where(begins[hour], level, anchor)
        level = level + push + pull[hour] * (anchor - level)
        closes[hour] = level
    return np.diff(closes, axis=0, prepend=start[np.newaxis]), closes


def draw_extremes(
    log_close: Matrix, returns: Matrix, deviation: Matrix, rng: np.random.Generator
) -> tuple[Matrix, Matrix]:
    """Highest and lowest log price within each hour.

    The maximum of a Brownian bridge from 0 to r with variance s^2 is
    (r + sqrt(r^2 - 2 s^2 ln U)) / 2 with U uniform (reflection principle).
    """
    opens = log_close - returns
    reach = -2 * deviation**2
    up, down = (np.log(1 - rng.random(returns.shape)) for _ in range(2))
    high = opens + (returns + np.sqrt(returns**2 + reach * up)) / 2
    low = opens + (returns - np.sqrt(returns**2 + reach * down)) / 2
    return high, low


def start_prices(symbols: tuple[str, ...], rng: np.random.Generator) -> Matrix:
    """Log prices at the start: near the real one if it is known, invented otherwise."""
    invented = rng.uniform(np.log(0.05), np.log(500.0), len(symbols))
    known = [np.log(_PRICES[s]) if s in _PRICES else np.nan for s in symbols]
    return np.where(np.isnan(known), invented, known)
