"""Lays out the charts of the pages: `metrics.json` in, pixels out; the templates draw them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ml.contract import REGIMES
from ml.words import moment, verdict_of

_PIXELS_OF_A_DATE = 90
_WIDEST_BAR = 56
_PIXELS_OF_A_TIME = 130
_SECONDS_OF_A_DAY = 86_400


@dataclass(frozen=True)
class Tick:
    """A place on an axis, in pixels, and what stands there."""

    at: float
    text: str


@dataclass(frozen=True)
class Dot:
    """A point of a line in pixels; `text` is what it shows."""

    x: float
    y: float
    radius: float
    text: str


@dataclass(frozen=True)
class Line:
    """One model's line; `kind` is its class in the style sheet."""

    kind: str
    name: str
    dots: tuple[Dot, ...]

    @property
    def path(self) -> str:
        """The points as SVG wants them."""
        return " ".join(f"{dot.x:.1f},{dot.y:.1f}" for dot in self.dots)


@dataclass(frozen=True)
class Layer:
    """A regime's part of every bar, as one SVG path; `kind` is its class in the style sheet."""

    kind: str
    name: str
    path: str


@dataclass(frozen=True)
class Chart:
    """A chart in pixels: lines, or the layers of stacked bars.

    `band` and `floor` are heights of the interval and the promotion floor.
    """

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...] = ()
    layers: tuple[Layer, ...] = ()
    band: tuple[float, float] | None = None
    floor: float | None = None


@dataclass(frozen=True)
class Frame:
    """The plotted area: turns values into pixels."""

    width: int
    height: int
    xs: tuple[float, float]
    ys: tuple[float, float]
    left: int = 46
    right: int = 16
    top: int = 14
    bottom: int = 32

    def x(self, value: float) -> float:
        """The pixel of a value, from the left."""
        low, high = self.xs
        share = (value - low) / (high - low) if high > low else 0.5
        return self.left + share * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        """The pixel of a value, from above."""
        low, high = self.ys
        share = (value - low) / (high - low)
        return self.height - self.bottom - share * (self.height - self.top - self.bottom)

    def dot(self, x: float, y: float, radius: float = 0, text: str = "") -> Dot:
        """The point of two values."""
        return Dot(self.x(x), self.y(y), radius, text)

    def chart(self, floor: float | None = None, **parts: Any) -> Chart:
        """A chart of this area, with ticks of percents unless others are given."""
        sides = self.left, self.width - self.right, self.top, self.height - self.bottom
        at = None if floor is None else self.y(floor)
        parts = {"y_ticks": self.percents(), "floor": at, **parts}
        return Chart(self.width, self.height, *sides, **parts)

    def percents(self, step: float = 0.1) -> tuple[Tick, ...]:
        """Ticks of the shares that are multiples of the step."""
        low, high = (round(edge / step) for edge in self.ys)
        return tuple(Tick(self.y(k * step), f"{k * step:.0%}") for k in range(low, high + 1))

    def dates(self) -> tuple[Tick, ...]:
        """Ticks at even distances, as many as there is room for: days, or times within a day."""
        low, high = self.xs
        days = high - low > _SECONDS_OF_A_DAY
        pixels = _PIXELS_OF_A_DATE if days else _PIXELS_OF_A_TIME
        count = max(2, (self.width - self.left - self.right) // pixels)
        moments = [low + (high - low) * k / (count - 1) for k in range(count)]
        texts = [
            f"{datetime.fromtimestamp(moment, UTC):{'%d %b' if days else '%d %b %H:%M'}}"
            for moment in moments
        ]
        kept = [k for k in range(count) if k == 0 or texts[k] != texts[k - 1]]
        return tuple(Tick(self.x(moments[k]), texts[k]) for k in kept)


def accuracy_chart(metrics: Mapping[str, Any], width: int, height: int) -> Chart | None:
    """Accuracy over the holdout's time, of both models; None without at least two periods."""
    periods = [row for row in metrics.get("accuracy_over_time") or () if row["samples"]]
    if len(periods) < 2:
        return None
    floor, interval = _floor(metrics), metrics.get("accuracy_interval")
    keys = ("accuracy", "production_accuracy")
    shown = [row.get(key) for row in periods for key in keys]
    middles = [_middle(period) for period in periods]
    frame = Frame(
        width, height, (min(middles), max(middles)), _shares(*shown, floor, *(interval or ()))
    )
    lines = [_line(frame, periods, "candidate", "this candidate", keys[0])]
    if any(row.get(keys[1]) is not None for row in periods):
        lines.append(_line(frame, periods, "production", "production", keys[1]))
    return frame.chart(
        floor,
        x_ticks=frame.dates(),
        lines=tuple(lines),
        band=(frame.y(interval[1]), frame.y(interval[0])) if interval else None,
    )


def curve_chart(metrics: Mapping[str, Any], width: int, height: int) -> Chart | None:
    """Accuracy by how many labels were learned from, to twice as many; None without a fit."""
    curve = metrics.get("learning_curve") or {}
    sizes, law = curve.get("sizes"), curve.get("fit")
    if not sizes or not law:
        return None
    first, last = sizes[0], 2 * max(curve["labels"], sizes[-1])
    steps = [first * (last / first) ** (k / 40) for k in range(41)]
    shares = [law["asymptote"] - law["scale"] * (n / sizes[-1]) ** -law["exponent"] for n in steps]
    ends = [end for interval in curve["intervals"] for end in interval]
    # Each doubling is as wide as the one before.
    frame = Frame(width, height, (math.log2(first), math.log2(last)), _shares(*shares, *ends))
    dots = tuple(
        frame.dot(math.log2(n), share, 4.5, f"{n:,.0f} labels: {share:.1%}")
        for n, share in zip(sizes, curve["accuracies"], strict=True)
    )
    fitted = (frame.dot(math.log2(n), share) for n, share in zip(steps, shares, strict=True))
    bars = (
        Line("candidate", "95%", tuple(Dot(dot.x, frame.y(end), 0, "") for end in interval))
        for dot, interval in zip(dots, curve["intervals"], strict=True)
    )
    ticks = (*sizes, last)
    return frame.chart(
        x_ticks=tuple(Tick(frame.x(math.log2(n)), f"{n:,.0f}") for n in ticks),
        lines=(
            Line("production", "fit", tuple(fitted)),
            *bars,
            Line("candidate points", "measured", dots),
        ),
    )


def history_chart(runs: Sequence[Mapping[str, Any]], width: int, height: int) -> Chart | None:
    """Accuracy of each run's candidate by when it was trained, oldest first; None without two.

    A run without a number or a time is left out.
    """
    shown = [
        run for run in runs if moment(run.get("trained_at")) and _is_share(run.get("test_accuracy"))
    ]
    if len(shown) < 2:
        return None
    times = [then.timestamp() for run in shown if (then := moment(run["trained_at"]))]
    floor, shares = _floor(shown[-1]), [run["test_accuracy"] for run in shown]
    frame = Frame(width, height, (min(times), max(times)), _shares(*shares, floor))
    radius = 4.5 if len(shown) < 60 else 2.5
    dots: dict[bool, list[Dot]] = {False: [], True: []}
    for run, time, share in zip(shown, times, shares, strict=True):
        verdict = verdict_of(run)
        text = f"{run['trained_at'][:10]}: {share:.1%}, {verdict.title}"
        dots[verdict.state == "deployed"].append(frame.dot(time, share, radius, text))
    return frame.chart(
        floor,
        x_ticks=frame.dates(),
        lines=(
            Line("neutral", "kept", tuple(dots[False])),
            Line("candidate", "deployed", tuple(dots[True])),
        ),
    )


def _floor(metrics: Mapping[str, Any]) -> float | None:
    thresholds = (metrics.get("decision") or {}).get("thresholds") or {}
    floor: float | None = thresholds.get("min_accuracy")
    return floor


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 1


def calibration_chart(metrics: Mapping[str, Any], size: int = 340) -> Chart | None:
    """How often the model is right where it is how sure; None without bins."""
    bins = [row for row in metrics.get("calibration_bins") or () if row["samples"]]
    if not bins:
        return None
    frame = Frame(size, size, (0.0, 1.0), (0.0, 1.0))
    most = max(row["samples"] for row in bins)
    dots = tuple(
        frame.dot(
            row["confidence"],
            row["accuracy"],
            3 + 7 * (row["samples"] / most) ** 0.5,
            f"sure {row['confidence']:.0%}, right {row['accuracy']:.0%}, {row['samples']} rows",
        )
        for row in bins
    )
    ticks = tuple(Tick(frame.x(share / 4), f"{share / 4:.0%}") for share in range(5))
    return frame.chart(
        x_ticks=ticks,
        y_ticks=frame.percents(0.25),
        lines=(Line("candidate", "this candidate", dots),),
    )


def confidence_chart(metrics: Mapping[str, Any], width: int, height: int) -> Chart | None:
    """Accuracy against the share of rows kept, the least sure left out; None without two shares."""
    told = metrics.get("accuracy_by_confidence") or {}
    rows = told.get("rows") or ()
    if len(rows) < 2:
        return None
    known = [row for row in rows if row["interval"]]
    ends = [end for row in known for end in row["interval"]]
    shown = _shares(*(row["accuracy"] for row in rows), told["floor"], *ends)
    frame = Frame(width, height, (0.0, 1.0), shown)
    edges = [
        Line("edge", "", tuple(frame.dot(row["kept"], row["interval"][k]) for row in known))
        for k in range(2)
    ]
    dots = tuple(
        frame.dot(
            row["kept"],
            row["accuracy"],
            3.5,
            f"surest {row['kept']:.0%}, from {row['confidence']:.2f} on: {row['accuracy']:.1%}",
        )
        for row in rows
    )
    return frame.chart(
        told["floor"],
        x_ticks=tuple(Tick(frame.x(k / 5), f"{k / 5:.0%}") for k in range(6)),
        lines=(Line("candidate", "this candidate", dots), *(edges if len(known) > 1 else ())),
    )


def _line(
    frame: Frame, periods: Sequence[Mapping[str, Any]], kind: str, name: str, key: str
) -> Line:
    dots = (
        frame.dot(
            _middle(row),
            row[key],
            3.5,
            f"{row['start'][:10]}: {name} {row[key]:.1%}, {row['samples']} rows",
        )
        for row in periods
        if row.get(key) is not None
    )
    return Line(kind, name, tuple(dots))


def _middle(period: Mapping[str, Any]) -> float:
    start, end = (datetime.fromisoformat(period[edge]).timestamp() for edge in ("start", "end"))
    return (start + end) / 2


def _shares(*shown: float | None) -> tuple[float, float]:
    """The range of what is to be shown, opened to the next full ten percent."""
    known = [share for share in shown if share is not None]
    # Rounded first, so that 0.3 is three tenths and not the double below it.
    low = math.floor(round(min(known) * 10, 6)) / 10
    high = math.ceil(round(max(known) * 10, 6)) / 10
    return (low, high) if high > low else (max(0.0, low - 0.1), min(1.0, high + 0.1))


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


def balances(runs: Sequence[Mapping[str, Any]]) -> tuple[Balance, ...]:
    """Reads the class balance of each run; what has no counts or no time is left out."""
    return tuple(found for run in runs if (found := _balance(run)) is not None)


def balance_chart(shown: Sequence[Balance], width: int, height: int) -> Chart | None:
    """Draws the bars, oldest first; None without at least two."""
    if len(shown) < 2:
        return None
    frame = Frame(width, height, (0, len(shown)), (0, 1), right=24)
    slot = frame.x(1) - frame.x(0)
    bar = min(_WIDEST_BAR, slot - min(4, slot / 4))
    return frame.chart(
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
