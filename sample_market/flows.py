"""What flows through the simulated market: volume, funding, forced selling, Bitcoin's share."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sample_market.conditions import USUAL_DEVIATION, Conditions, Matrix

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
