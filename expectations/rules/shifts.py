"""Expectations that features and labels are distributed as in production's training data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from great_expectations.expectations.expectation import BatchExpectation

from expectations.rules.bins import BinsByFeature, from_plain, read_bins, read_labels
from expectations.rules.psi import WARN_AT, psi, warn_above
from expectations.rules.sql import AGGREGATE, AggregateExpectation, judged

_NAMED = 3


@dataclass(frozen=True)
class Shift:
    """How far one distribution has moved.

    Attributes:
        name: the feature, or "labels".
        index: its PSI.
        bound: above it there is more than chance, see `psi.warn_above`.
        where: where the rows went, in words.
    """

    name: str
    index: float
    bound: float
    where: str

    @property
    def shifted(self) -> bool:
        """Whether it moved far, and by more than chance makes."""
        return self.index > self.bound

    @property
    def row(self) -> dict[str, Any]:
        """The shift as a row to look at."""
        return {"feature": self.name, "PSI": round(self.index, 2), "now": self.where}


class ExpectComparable(BatchExpectation):
    """Expects that there is something to compare with: a rule is never silently absent.

    Attributes:
        problem: why production's training data, or a part of it, cannot be compared with; empty if
            all can.
        observed: what to say where there is no problem.
    """

    problem: str = ""
    observed: str

    metric_dependencies: ClassVar[tuple[str, ...]] = ("table.row_count",)
    success_keys: ClassVar[tuple[str, ...]] = ("problem", "observed")

    def _validate(self, *_: Any, **__: Any) -> dict[str, Any]:
        return judged(success=not self.problem, observed=self.problem or self.observed)


class ExpectFeaturesAsTrained(AggregateExpectation):
    """Expects no feature to have shifted; lists those that have, the furthest first.

    Attributes:
        aggregate: `bins.count_bins` of the features' bins.
        bins: production's, as `as_plain` gives them.
        trained_days: days of symbols in production's training data.
    """

    bins: list[dict[str, Any]]
    trained_days: int

    success_keys: ClassVar[tuple[str, ...]] = ("aggregate", "bins", "trained_days")

    def _validate(self, metrics: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        shifts = shifts_of(metrics[AGGREGATE], from_plain(self.bins), self.trained_days)
        return _judged(list(shifts))


class ExpectLabelsAsTrained(AggregateExpectation):
    """Expects the regimes to be as frequent as in production's training data.

    Attributes:
        aggregate: `bins.count_labels` of `labels`.
        labels: the known ones.
        trained: rows of each in production's training data.
        trained_days: days of symbols in it.
    """

    labels: list[str]
    trained: list[int]
    trained_days: int

    success_keys: ClassVar[tuple[str, ...]] = ("aggregate", "labels", "trained", "trained_days")

    def _validate(self, metrics: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        days, now = read_labels(metrics[AGGREGATE], self.labels)
        then = dict(zip(self.labels, self.trained, strict=True))
        shift = shift_of_labels(now, days, then, self.trained_days)
        return _judged([shift] if shift else [])


def shifts_of(answer: object, bins: BinsByFeature, trained_days: int) -> Iterator[Shift]:
    """Measures each feature that has more than one bin, unless there are no rows.

    Args:
        answer: to `bins.count_bins`.
        bins: production's.
        trained_days: days of symbols in production's training data.
    """
    counted = read_bins(answer, bins)
    for name, now in counted.counts.items():
        edges, then = bins[name].edges, bins[name].trained
        if counted.rows and edges:
            bound = warn_above(len(then), counted.symbol_days, trained_days)
            yield Shift(name, psi(now, then), bound, _where(now, then, edges))


def shift_of_labels(
    now: Mapping[str, int], days: int, then: Mapping[str, int], trained_days: int
) -> Shift | None:
    """Measures the labels; None if no row has a known one."""
    rows, trained = sum(now.values()), sum(then.values())
    if not rows:
        return None
    changes = {name: now[name] / rows - then[name] / trained for name in then}
    most = max(changes, key=lambda name: abs(changes[name]))
    where = f"{now[most] / rows:.0%} {most}, where production had {then[most] / trained:.0%}"
    bins = sum(1 for name in then if now[name] or then[name])
    bound = warn_above(bins, days, trained_days)
    return Shift("labels", psi([now[name] for name in then], list(then.values())), bound, where)


def _where(now: Sequence[int], then: Sequence[int], edges: Sequence[float]) -> str:
    """Names the bin, or the bins above or below an edge, whose share changed most."""
    places = {
        **{f"above {edge:.3g}": slice(bin_ + 1, None) for bin_, edge in enumerate(edges)},
        **{f"at most {edge:.3g}": slice(0, bin_ + 1) for bin_, edge in enumerate(edges)},
        **{
            f"from {edges[bin_ - 1]:.3g} to {edges[bin_]:.3g}": slice(bin_, bin_ + 1)
            for bin_ in range(1, len(edges))
        },
    }
    shares = {
        place: (sum(now[bins]) / sum(now), sum(then[bins]) / sum(then))
        for place, bins in places.items()
    }
    # Of a tail and its complement, the one that gained.
    place = max(shares, key=lambda place: (abs(_gain(shares[place])), _gain(shares[place])))
    return f"{shares[place][0]:.0%} {place}, where production had {shares[place][1]:.0%}"


def _gain(shares: tuple[float, float]) -> float:
    # Rounded, because the two sides of an edge change alike but for the last digits.
    return round(shares[0] - shares[1], 9)


def _judged(shifts: Sequence[Shift]) -> dict[str, Any]:
    furthest = sorted(shifts, key=lambda shift: -shift.index)
    shifted = [shift for shift in furthest if shift.shifted]
    told = [f"{shift.name} PSI {shift.index:.2f}: {shift.where}" for shift in shifted[:_NAMED]]
    if len(shifted) > _NAMED:
        told.append(f"{len(shifted) - _NAMED} more")
    observed = "; ".join(told) or _unshifted(furthest)
    return judged(success=not shifted, observed=observed, rows=[shift.row for shift in shifted])


def _unshifted(furthest: Sequence[Shift]) -> str:
    if not furthest:
        return "nothing to compare"
    most = furthest[0]
    chance = f", within chance up to {most.bound:.2f}" if most.index > WARN_AT else ""
    return f"largest PSI {most.index:.2f} ({most.name}){chance}"
