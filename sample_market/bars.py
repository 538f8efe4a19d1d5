"""Hourly bars of a market whose regimes are given.

What an exchange would publish, and nothing a trading application would calculate from it.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sample_market.conditions import draw_conditions, heavy_tailed
from sample_market.flows import (
    draw_dominance,
    draw_funding,
    draw_liquidations,
    draw_volume,
    usual_volumes,
)
from sample_market.prices import draw_extremes, draw_prices, start_prices
from sample_market.regimes import RegimePath


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
    """Simulates the bars of all symbols.

    Args:
        symbols: names; the known ones start near their real prices.
        paths: the regimes of each symbol, as long as `hours`.
        hours: opening times of the bars.
        rng: source of every random number.
    """
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
