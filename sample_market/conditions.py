"""What a market goes through: the regimes of its symbols, and how strongly each is felt."""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ml.contract import REGIMES
from sample_market.regimes import BEHAVIOURS, RegimePath

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
