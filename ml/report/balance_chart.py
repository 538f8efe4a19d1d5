"""Lays out the class balance of runs: one stacked bar a run, one path a regime."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml.contract import REGIMES
from ml.report.charts import Frame, Tick
from ml.words import moment

_WIDEST_BAR = 56
_PIXELS_OF_A_DATE = 90


@dataclass(frozen=True)
class Balance:
    """What a run was trained and judged on.

    Attributes:
        run_id: the run.
        trained_at: ISO 8601.
        samples: labelled samples.
        shares: of each of `REGIMES`, in their order; they sum to 1.
    """

    run_id: str
    trained_at: str
    samples: int
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Layer:
    """A regime's part of every bar, as one SVG path; `kind` is its class in the style sheet."""

    kind: str
    name: str
    path: str


@dataclass(frozen=True)
class BalanceChart:
    """The chart in pixels."""

    width: int
    height: int
    left: int
    right: int
    bottom: int
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    layers: tuple[Layer, ...]


def balances(runs: Sequence[Mapping[str, Any]]) -> tuple[Balance, ...]:
    """Reads the class balance of each run; what has no counts or no time is left out.

    Args:
        runs: content of each `metrics.json`.
    """
    return tuple(found for run in runs if (found := _balance(run)) is not None)


def balance_chart(shown: Sequence[Balance], width: int, height: int) -> BalanceChart | None:
    """Draws the bars; None without at least two.

    Args:
        shown: oldest first.
        width: pixels.
        height: pixels.
    """
    if len(shown) < 2:
        return None
    frame = Frame(width, height, (0, len(shown)), (0, 1), right=24)
    slot = frame.x(1) - frame.x(0)
    bar = min(_WIDEST_BAR, slot - min(4, slot / 4))
    return BalanceChart(
        *(width, height, frame.left, width - frame.right, height - frame.bottom),
        x_ticks=_dates(frame, shown),
        y_ticks=frame.percents(0.25),
        layers=tuple(
            Layer(f"regime-{k}", name, _path(frame, shown, k, bar))
            for k, name in enumerate(REGIMES)
        ),
    )


def _balance(run: Mapping[str, Any]) -> Balance | None:
    counts = run.get("class_counts")
    if not isinstance(counts, Mapping) or moment(run.get("trained_at")) is None:
        return None
    known = [count if isinstance(count := counts.get(name), int) else 0 for name in REGIMES]
    total = sum(known)
    if min(known) < 0 or not total:
        return None
    shares = tuple(count / total for count in known)
    return Balance(str(run.get("run_id")), str(run["trained_at"]), total, shares)


def _path(frame: Frame, shown: Sequence[Balance], k: int, bar: float) -> str:
    """The rectangles of one regime; the bars grow upwards in the order of the regimes."""
    parts = []
    for place, balance in enumerate(shown):
        if balance.shares[k]:
            top, bottom = (frame.y(sum(balance.shares[:upto])) for upto in (k + 1, k))
            left = frame.x(place + 0.5) - bar / 2
            parts.append(f"M{left:.1f} {top:.1f}h{bar:.1f}v{bottom - top:.1f}h{-bar:.1f}z")
    return "".join(parts)


def _dates(frame: Frame, shown: Sequence[Balance]) -> tuple[Tick, ...]:
    """Days under evenly chosen bars, as many as there is room for."""
    room = max(2, (frame.width - frame.left - frame.right) // _PIXELS_OF_A_DATE)
    step = -(-len(shown) // room)
    return tuple(
        Tick(frame.x(place + 0.5), f"{then:%d %b}")
        for place in range(0, len(shown), step)
        if (then := moment(shown[place].trained_at))
    )
