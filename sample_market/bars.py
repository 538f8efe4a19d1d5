"""Hourly bars of a market whose regimes are given.

What an exchange would publish, and nothing a trading application would calculate from it: how
strongly each regime is felt, then prices, extremes, volume, funding, forced selling.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.contract import REGIMES
from sample_market.regimes import BEHAVIOURS, RegimePath
from sample_market.spec import USUAL_PRICES

Matrix: TypeAlias = NDArray[np.float64]
"""Numbers of hours (rows) by symbols (columns)."""

USUAL_DEVIATION: Final = 0.006
"""Standard deviation of an hour's log return in a usual market: 56 % a year."""


@dataclass(frozen=True)
class Conditions:
    """The regimes of all symbols as matrices of hours by symbols."""

    regime: NDArray[np.int64]
    age: NDArray[np.int64]
    direction: Matrix
    deviation: Matrix
    volume: Matrix

    def of(self, name: str) -> Matrix:
        """Looks one number of the regimes' behaviour up for each hour and symbol."""
        numbers = np.array([getattr(BEHAVIOURS[regime], name) for regime in REGIMES])
        found: Matrix = numbers[self.regime]
        return found


def draw_conditions(paths: list[RegimePath], rng: np.random.Generator) -> Conditions:
    """No two stretches of a regime are alike: each has its own direction and intensities."""
    regime = np.stack([path.regime for path in paths], axis=1)
    volatility = np.array([BEHAVIOURS[name].volatility for name in REGIMES])
    size = int(max(path.stretch[-1] for path in paths)) + 1
    draws = {
        "direction": _breakout_directions(size, len(paths), rng),
        "deviation": rng.lognormal(0.0, 0.06, (size, len(paths))),
        "volume": rng.lognormal(0.0, 0.08, (size, len(paths))),
    }
    spread = {
        name: np.stack([values[path.stretch, i] for i, path in enumerate(paths)], axis=1)
        for name, values in draws.items()
    }
    spread["deviation"] = spread["deviation"] * volatility[regime] * USUAL_DEVIATION
    either_way = regime == REGIMES.index("breakout")
    spread["direction"] = np.where(either_way, spread["direction"], 1.0)
    return Conditions(regime, np.stack([path.age for path in paths], axis=1), **spread)


def _breakout_directions(stretches: int, symbols: int, rng: np.random.Generator) -> Matrix:
    """Up or down by turns, so that a short history shows breakouts of both kinds."""
    round_of_regimes = np.arange(stretches)[:, np.newaxis] // len(REGIMES)
    turns = (round_of_regimes + np.arange(symbols) + rng.integers(2)) % 2
    return np.where(turns == 0, 1.0, -1.0)


def heavy_tailed(rng: np.random.Generator, shape: tuple[int, ...]) -> Matrix:
    """Student's t with 5 degrees of freedom, scaled to variance one."""
    drawn: Matrix = rng.standard_t(5, shape) / (5 / 3) ** 0.5
    return drawn


_FUNDING_SPEED = 0.5
_FUNDING_SHOCK = 1.5


def draw_volume(
    conditions: Conditions,
    returns: Matrix,
    usual: Matrix,
    hours: pd.DatetimeIndex,
    rng: np.random.Generator,
) -> Matrix:
    """Volume grows with the size of the move, the regime and the time of day."""
    surprise = np.abs(returns) / conditions.deviation
    daily = 0.2 * np.sin(2 * np.pi * (hours.hour.to_numpy() - 9) / 24)[:, np.newaxis]
    lean = conditions.of("lean") / 2 * np.sign(returns)
    noise = rng.normal(0.0, 0.35, returns.shape)
    level = usual * conditions.volume * conditions.of("volume")
    volume: Matrix = level * np.exp(0.3 * (surprise - 0.8) + daily + lean + noise)
    return volume


def draw_funding(conditions: Conditions, rng: np.random.Generator) -> Matrix:
    """Funding rates as exchanges predict them each hour: they near the regime's target slowly."""
    shocks = rng.normal(0.0, _FUNDING_SHOCK, conditions.regime.shape)
    pressed = pd.DataFrame(conditions.of("funding") + shocks)
    rates: Matrix = pressed.ewm(alpha=_FUNDING_SPEED, adjust=False).mean().to_numpy() * 1e-4
    return rates


def draw_liquidations(
    conditions: Conditions, returns: Matrix, volume: Matrix, rng: np.random.Generator
) -> Matrix:
    """Forced selling: a share of volume that jumps with the size of the move."""
    move = np.abs(returns) / USUAL_DEVIATION
    share = 0.002 * conditions.of("liquidations") * np.exp(0.35 * np.minimum(move, 6))
    liquidations: Matrix = volume * share * rng.lognormal(0.0, 0.7, volume.shape)
    return liquidations


def draw_dominance(
    factor: NDArray[np.float64], hours: pd.DatetimeIndex, rng: np.random.Generator
) -> "pd.Series[float]":
    """Bitcoin's share of the market: a slow wave that stays between 40 and 65 percent."""
    steps = pd.Series(0.25 * factor + rng.normal(0.0, 1.0, len(hours)), index=hours)
    wave = steps.ewm(halflife=72, adjust=False).mean() * (2 * 72 / np.log(2)) ** 0.5
    return pd.Series(52.5 + 12.4 * np.tanh(wave.to_numpy() / 2), index=hours)


def usual_volumes(count: int, rng: np.random.Generator) -> Matrix:
    """Hourly volume by rank: the first symbol trades most, about a billion an hour."""
    ranks = np.arange(1, count + 1)
    return 1e9 / ranks**0.4 * rng.lognormal(0.0, 0.1, count)


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
    known = np.log([USUAL_PRICES.get(symbol, np.nan) for symbol in symbols])
    return np.where(np.isnan(known), invented, known)


@dataclass(frozen=True)
class Bars:
    """Hourly bars: frames of hours by symbols, `btc_dominance` one value an hour.

    Attributes:
        high: highest price of the hour.
        low: lowest price of the hour.
        close: last price of the hour.
        volume: traded in the hour, in quote currency.
        funding: 8-hour funding rate in force, as a fraction.
        liquidations: liquidated in the hour, in quote currency.
        btc_dominance: Bitcoin's share of the market's capitalisation, in percent.
    """

    high: pd.DataFrame
    low: pd.DataFrame
    close: pd.DataFrame
    volume: pd.DataFrame
    funding: pd.DataFrame
    liquidations: pd.DataFrame
    btc_dominance: "pd.Series[float]"


def simulate_bars(
    symbols: tuple[str, ...],
    paths: list[RegimePath],
    hours: pd.DatetimeIndex,
    rng: np.random.Generator,
) -> Bars:
    """Simulates the bars of all symbols; each path is as long as the hours, their opening times."""
    conditions = draw_conditions(paths, rng)
    factor = heavy_tailed(rng, (len(hours), 1))
    returns, log_close = draw_prices(conditions, factor, start_prices(symbols, rng), rng)
    high, low = draw_extremes(log_close, returns, conditions.deviation, rng)
    volume = draw_volume(conditions, returns, usual_volumes(len(symbols), rng), hours, rng)
    matrices = {
        "high": np.exp(high),
        "low": np.exp(low),
        "close": np.exp(log_close),
        "volume": volume,
        "funding": draw_funding(conditions, rng),
        "liquidations": draw_liquidations(conditions, returns, volume, rng),
    }
    frames = {name: pd.DataFrame(m, index=hours, columns=symbols) for name, m in matrices.items()}
    return Bars(**frames, btc_dominance=draw_dominance(factor[:, 0], hours, rng))
