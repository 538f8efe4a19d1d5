"""The seven regimes: how the market behaves in each, and how it moves from one to the next.

A symbol's regime is a semi-Markov process: it stays for a drawn dwell time, then jumps. Nothing
here knows prices.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ml.contract import REGIMES

MIN_DWELL_HOURS: Final = 24
MAX_DWELL_HOURS: Final = 120


@dataclass(frozen=True)
class Behaviour:
    """How a symbol trades while a regime lasts, relative to its usual self.

    Attributes:
        dwell: mean dwell time in hours, before it is cut to one to five days.
        drift: expected move of an hour, in hourly standard deviations.
        fade: hours after which the drift has fallen to 1/e.
        volatility: multiple of the symbol's usual hourly standard deviation.
        pull: share of the distance to the regime's anchor price that an hour takes back.
        volume: multiple of the symbol's usual volume.
        lean: how much heavier (log) a rising hour trades than a falling one.
        funding: 8-hour funding rate it tends to, in basis points.
        liquidations: multiple of the usual share of volume that is liquidated.
        correlation: with the common factor, which is Bitcoin's.
    """

    dwell: float
    drift: float
    fade: float
    volatility: float
    pull: float
    volume: float
    lean: float
    funding: float
    liquidations: float
    correlation: float


_LASTING = 1e6
_RARE = 0.01

BEHAVIOURS: Final[dict[str, Behaviour]] = {
    "trend_up": Behaviour(62, 0.46, _LASTING, 1.0, 0.0, 1.15, 0.15, 1.5, 1.0, 0.60),
    "trend_down": Behaviour(62, -0.46, _LASTING, 1.1, 0.0, 1.25, -0.15, -1.5, 1.6, 0.68),
    "range": Behaviour(62, 0.0, _LASTING, 0.55, 0.25, 0.50, 0.0, 0.3, 0.40, 0.50),
    "breakout": Behaviour(56, 0.75, _LASTING, 1.55, 0.0, 2.6, 0.1, 0.8, 1.2, 0.20),
    "volatile": Behaviour(58, 0.0, _LASTING, 2.1, 0.08, 1.5, 0.0, -0.4, 3.2, 0.88),
    "accumulation": Behaviour(62, 0.03, _LASTING, 0.66, 0.20, 0.95, 1.1, -1.2, 0.6, 0.35),
    "distribution": Behaviour(62, -0.03, _LASTING, 0.88, 0.20, 1.45, -1.1, 2.4, 0.9, 0.55),
}
"""Chosen so that neighbours overlap: no single number tells the regimes apart."""

_NEXT: Final[dict[str, dict[str, float]]] = {
    "trend_up": {"distribution": 0.4, "volatile": 0.2, "range": 0.25, "breakout": 0.15},
    "trend_down": {"accumulation": 0.4, "volatile": 0.25, "range": 0.2, "breakout": 0.15},
    "range": {"breakout": 0.4, "trend_up": 0.2, "trend_down": 0.2, "volatile": 0.2},
    "breakout": {"trend_up": 0.3, "trend_down": 0.3, "range": 0.2, "volatile": 0.2},
    "volatile": {"accumulation": 0.3, "range": 0.3, "trend_down": 0.2, "distribution": 0.2},
    "accumulation": {"trend_up": 0.5, "breakout": 0.3, "range": 0.2},
    "distribution": {"trend_down": 0.5, "breakout": 0.2, "volatile": 0.3},
}


@dataclass(frozen=True)
class RegimePath:
    """One symbol's regimes hour by hour, `int64[hours]` each.

    Attributes:
        regime: index into `REGIMES`.
        stretch: running number of the stretch of one regime that the hour lies in.
        age: hours since that stretch began.
    """

    regime: NDArray[np.int64]
    stretch: NDArray[np.int64]
    age: NDArray[np.int64]


def draw_path(hours: int, rng: np.random.Generator) -> RegimePath:
    """Draws one symbol's path: dwell times of one to five days, jumps by the transition table.

    Regimes come in rounds: each round holds all seven, in an order drawn by the table. So a
    history of a month already shows each of them, and no long one forgets one.
    """
    regimes = _draw_jumps(hours // MIN_DWELL_HOURS + 1, rng)
    means = np.array([BEHAVIOURS[name].dwell for name in REGIMES])[regimes]
    surplus = rng.exponential(means - MIN_DWELL_HOURS)
    dwell = np.minimum(MIN_DWELL_HOURS + surplus, MAX_DWELL_HOURS).astype(np.int64)
    stretch = np.repeat(np.arange(len(regimes)), dwell)[:hours]
    begins = np.cumsum(dwell) - dwell
    return RegimePath(regimes[stretch], stretch, np.arange(hours) - begins[stretch])


def _draw_jumps(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    likely = _transition_matrix()
    regimes = np.empty(count, dtype=np.int64)
    now = int(rng.integers(len(REGIMES)))
    waiting = np.zeros(len(REGIMES))
    for step, chance in enumerate(rng.random(count)):
        if not waiting.any():
            waiting[:] = 1
        reach = np.cumsum(likely[now] * waiting)
        now = int(np.searchsorted(reach, chance * reach[-1], side="right"))
        waiting[now] = 0
        regimes[step] = now
    return regimes


def _transition_matrix() -> NDArray[np.float64]:
    likely = np.array([[_NEXT[now].get(then, _RARE) for then in REGIMES] for now in REGIMES])
    np.fill_diagonal(likely, 0.0)
    return likely
