"""The expectation that no two features were written into each other's columns."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np
from great_expectations.execution_engine import SqlAlchemyExecutionEngine

from expectations.rules.bins import Bins, from_plain
from expectations.rules.psi import psi
from expectations.rules.shifts import shifts_of
from expectations.rules.sql import AGGREGATE, TABLE, AggregateExpectation, judged, rows_of

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
