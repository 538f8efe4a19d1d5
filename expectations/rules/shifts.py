"""Expectations that features and labels are distributed as in production's training data.

And that no two features were written into each other's columns, which only looks like a shift.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from great_expectations.execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import BatchExpectation

from expectations.rules.bins import (
    WARN_AT,
    Bins,
    BinsByFeature,
    from_plain,
    psi,
    read_bins,
    read_labels,
    warn_above,
)
from expectations.rules.sql import AGGREGATE, TABLE, AggregateExpectation, judged, rows_of

_NAMED = 3


@dataclass(frozen=True)
class Shift:
    """How far one distribution has moved.

    Attributes:
        name: the feature, or "labels".
        index: its PSI.
        bound: above it there is more than chance, see `warn_above`.
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
    """Measures each feature that has several bins by the answer to `count_bins`, if it has rows."""
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


_FAR: Final = 1.0
"""PSI from which a feature may hold something else: five times what is a shift."""

_CLOSER: Final = 5
"""How many times closer it must be to another feature than to itself."""

_SAMPLE: Final = 1000

MIRRORED: Final = (
    frozenset({"higher_highs_count", "lower_lows_count"}),
    frozenset({"support_breaks", "resistance_breaks"}),
)
"""Pairs that a market exchanges by itself when it turns from rising to falling."""

Pair = tuple[str, str]


class ExpectColumnsInPlace(AggregateExpectation):
    """Expects that features which shifted far do not look like one another in training.

    Rows are read only where two features shifted far, and then a thousand at most.

    Attributes:
        aggregate: `bins.count_bins` of the features' bins.
        bins: production's, as `bins.as_plain` gives them.
        trained_days: days of symbols in production's training data.
    """

    bins: list[dict[str, Any]]
    trained_days: int

    success_keys: ClassVar[tuple[str, ...]] = ("aggregate", "bins", "trained_days")

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: Any = None,
    ) -> dict[str, Any]:
        shifts = shifts_of(metrics[AGGREGATE], from_plain(self.bins), self.trained_days)
        own = {s.name: s.index for s in shifts if s.shifted and s.index >= _FAR}
        found = self._mixed(own, execution_engine) if len(own) > 1 else {}
        rows = [{"column": column, "looks like": other} for column, other in found.items()]
        told = [f"{column} looks like {other} did" for column, other in found.items()]
        observed = ", ".join(told) or "no sign of mixed-up columns"
        return judged(success=not found, observed=observed, rows=rows)

    def _mixed(self, own: Mapping[str, float], engine: SqlAlchemyExecutionEngine) -> dict[str, str]:
        columns = ", ".join(f"ifNull(toFloat64(toFloat32({f})), nan) AS {f}" for f in own)
        rows = rows_of(
            engine,
            f"SELECT {columns} FROM {TABLE} ORDER BY cityHash64(symbol, timestamp) LIMIT {_SAMPLE}",
        )
        values = {name: [float(row[name]) for row in rows] for name in own}
        bins = from_plain(self.bins)
        distances = {
            (column, other): psi(_counts(values[column], bins[other]), bins[other].trained)
            for column in own
            for other in own
        }
        return mixed_up(own, distances)


def mixed_up(own: Mapping[str, float], distances: Mapping[Pair, float]) -> dict[str, str]:
    """Finds pairs of columns that changed places: each looks like what the other was.

    A lone column that looks like another is not enough: volatilities rise in a crash until one
    looks like what another was, but then that one rises too and does not look like the first.

    Args:
        own: of each column that shifted far, how far.
        distances: how far a column is from what another was, by (column, other).

    Returns:
        What each column of such a pair looks most like.

    >>> far = {"a": 5.0, "b": 4.0, "c": 3.0}
    >>> mixed_up(far, {("a", "b"): 0.1, ("b", "a"): 0.2, ("c", "a"): 0.3})
    {'a': 'b', 'b': 'a'}
    """
    alike = {
        (column, other)
        for (column, other), distance in distances.items()
        if column != other and distance * _CLOSER <= own[column]
    }
    found = {}
    for column in own:
        pairs = [
            other
            for other in own
            if {(column, other), (other, column)} <= alike
            and frozenset({column, other}) not in MIRRORED
        ]
        if pairs:
            found[column] = min(pairs, key=lambda other: distances[column, other])
    return found


def _counts(values: Sequence[float], bins: Bins) -> list[int]:
    # As float32, as in `bins.count_bins`.
    ends = np.array(bins.edges, dtype=np.float32)
    index = np.searchsorted(ends, np.array(values, dtype=np.float32))
    return [int(count) for count in np.bincount(index, minlength=len(ends) + 1)]
