"""Rules on the size of features: no market makes one a hundred times as large, a new unit does."""

import math
import statistics
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from great_expectations import expectations as gxe

from expectations.rules.reference import FeatureProfile
from expectations.rules.sql import AGGREGATE, AggregateExpectation, judged, words_of
from expectations.severity import CORRECT_SOURCE, critical, warning

_FACTOR: Final = 30.0
_MIN_ROWS: Final = 20
_MIN_SHARE: Final = 0.1
"""Fewer rows than these, or a smaller share that is not zero, are an event, not a size."""


class ExpectSizes(AggregateExpectation):
    """Expects features to be about as large as in production's training data.

    Attributes:
        aggregate: see `rules_of_sizes`.
        features: their names.
        factors: how many times its middle each may be larger or smaller.
        partly: whether to judge the smallest and largest twentieth of the rows instead of the
            median; features whose median is off are left to the other rule then.
    """

    features: list[str]
    factors: list[float]
    partly: bool = False

    success_keys: ClassVar[tuple[str, ...]] = ("aggregate", "features", "factors", "partly")

    def _validate(self, metrics: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        # Not a dict, of which Great Expectations sorts the keys.
        factors = dict(zip(self.features, self.factors, strict=True))
        rows = _judge(str(metrics[AGGREGATE]), factors, partly=self.partly)
        some = "in part of the rows " if self.partly else ""
        told = [f"{row['feature']} {some}{row['times']} times as large" for row in rows]
        observed = ", ".join(told) or "as in production's training data"
        return judged(success=not rows, observed=observed, rows=rows)


def rules_of_sizes(known: Mapping[str, FeatureProfile]) -> Iterator[gxe.Expectation]:
    """Lists the rules: for most rows, which blocks, and for a part of them.

    A feature in the unit of its symbol's price or volume is compared within the symbol; rows of a
    symbol that production has not seen are left out, and so are zeros.
    """
    sized = {name: profile for name, profile in known.items() if profile.size or profile.sizes}
    if not sized:
        return
    sizes: dict[str, Any] = {
        "aggregate": words_of(_quantiles(_ratio(name, entry)) for name, entry in sized.items()),
        "features": list(sized),
        "factors": [_FACTOR * _spread(entry) for entry in sized.values()],
    }
    expected = f"within a factor of {_FACTOR:g} of the middle half of production's training data"
    yield ExpectSizes(
        **sizes,
        **critical(
            "size of features",
            f"the median of |x| {expected}",
            "No market does that: a unit has changed, or a column holds another quantity.",
            CORRECT_SOURCE,
        ),
    )
    yield ExpectSizes(
        **sizes,
        partly=True,
        **warning(
            "size of features in part",
            f"19 of 20 rows {expected}",
            "A unit may have changed at some time, or for some symbols.",
        ),
    )


def _ratio(feature: str, profile: FeatureProfile) -> str:
    """SQL of |x| over its middle; NaN, which quantiles leave out, where that means nothing."""
    middle = f"{_middle(profile.size):.4g}" if profile.size else _middle_by_symbol(profile.sizes)
    return f"if({feature} = 0, nan, abs({feature}) / {middle})"


def _middle_by_symbol(sizes: Mapping[str, tuple[float, float]]) -> str:
    # As check sums: no list of names, which may be long, travels in a query.
    symbols = ", ".join(str(zlib.crc32(name.encode())) for name in sizes)
    middles = ", ".join(f"{_middle(size):.4g}" for size in sizes.values())
    listed = f"CAST([{symbols}] AS Array(UInt32)), CAST([{middles}] AS Array(Float64))"
    return f"transform(CRC32(toString(symbol)), {listed}, nan)"


def _middle(size: tuple[float, float]) -> float:
    return math.sqrt(size[0] * size[1])


def _spread(profile: FeatureProfile) -> float:
    """From the middle to the end of the middle half, as a factor; that of a usual symbol."""
    sizes = [profile.size] if profile.size else list(profile.sizes.values())
    return statistics.median(math.sqrt(high / low) for low, high in sizes)


def _quantiles(ratio: str) -> str:
    return (
        f"toString(count()), toString(countIf({ratio} > 0)), "
        f"arrayStringConcat(arrayMap(x -> toString(x), quantiles(0.05, 0.5, 0.95)({ratio})), ' ')"
    )


def _judge(answer: str, factors: Mapping[str, float], *, partly: bool) -> list[dict[str, Any]]:
    words = [float(word) for word in answer.split()]
    rows = []
    for index, (feature, factor) in enumerate(factors.items()):
        total, sized, low, median, high = words[5 * index : 5 * index + 5]
        if sized < max(_MIN_ROWS, _MIN_SHARE * total):
            continue
        off = _off(median, factor)
        if partly:
            off = None if off else _off(low, factor) or _off(high, factor)
        if off:
            rows.append({"feature": feature, "times": f"{off:.2g}"})
    return rows


def _off(ratio: float, factor: float) -> float | None:
    return None if 1 / factor <= ratio <= factor else ratio
