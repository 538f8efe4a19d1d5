"""What production was trained on, as the gate compares with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_FREQUENT: Final = 0.25
"""Bins are tenths unless a single value is more frequent: such a bin is that value."""


@dataclass(frozen=True)
class FeatureProfile:
    """One feature in production's training rows.

    Attributes:
        edges: a bin ends at each, inclusive; one more is above the last.
        counts: rows of each bin.
        constant: whether all rows had one value.
        whole: whether most values were whole numbers.
        size: middle half of |x| without zeros, None where it is not known or by symbol.
        sizes: the same by symbol.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    constant: bool
    whole: bool
    size: tuple[float, float] | None
    sizes: Mapping[str, tuple[float, float]]

    @property
    def may_stand_still(self) -> bool:
        """Whether one value was so frequent that a quiet market may show no other."""
        return self.constant or max(self.counts) >= _FREQUENT * sum(self.counts)


@dataclass(frozen=True)
class Reference:
    """Production's training rows; without features, nothing is known of them.

    Attributes:
        symbol_days: pairs of a symbol and a day that have a row.
        regimes: rows by label.
        features: profiles by name.
        problem: why nothing is known, for people; empty if something is.
    """

    symbol_days: int = 0
    regimes: Mapping[str, int] = field(default_factory=dict)
    features: Mapping[str, FeatureProfile] = field(default_factory=dict)
    problem: str = ""

    @classmethod
    def from_dict(cls, profile: object) -> "Reference":
        """Reads what `ml.data.profile.profile_of` wrote.

        Args:
            profile: the dict; anything else, such as None from metrics of an older version, and a
                dict that is not such a profile give a reference without features.
        """
        try:
            return cls._read(profile)
        except (AttributeError, KeyError, TypeError, ValueError):
            return cls()

    @classmethod
    def _read(cls, profile: Any) -> "Reference":
        return cls(
            int(profile["symbol_days"]),
            {str(name): int(count) for name, count in profile["regimes"].items()},
            {str(name): _feature(entry) for name, entry in profile["features"].items()},
        )


def _feature(entry: Mapping[str, Any]) -> FeatureProfile:
    edges = tuple(map(float, entry["edges"]))
    counts = tuple(map(int, entry["counts"]))
    if len(counts) != len(edges) + 1 or sum(counts) <= 0:
        raise ValueError(counts)
    size = entry.get("size")
    sizes = entry.get("sizes") or {}
    return FeatureProfile(
        edges,
        counts,
        bool(entry["constant"]),
        bool(entry["whole"]),
        _pair(size) if size else None,
        {str(symbol): _pair(pair) for symbol, pair in sizes.items()},
    )


def _pair(pair: Any) -> tuple[float, float]:
    low, high = map(float, pair)
    if not 0 < low <= high:
        raise ValueError(pair)
    return low, high
