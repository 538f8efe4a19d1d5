"""The expectation that no regime is too rare or too common, with every regime's count in sight."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from great_expectations.expectations.expectation import ColumnAggregateExpectation


@dataclass(frozen=True)
class ClassCount:
    """How one regime is represented.

    Attributes:
        regime: the label.
        samples: rows with it.
        share: of all rows, 0 to 1.
        missing: further labels of it that would lift it to the bounds.
        problem: what is wrong in words, empty if nothing.
    """

    regime: str
    samples: int
    share: float
    missing: int
    problem: str

    @property
    def verdict(self) -> str:
        """The judgement in words, also where nothing is wrong."""
        return self.problem or ("ok" if self.samples else "does not occur")


def count_classes(
    counts: Mapping[str, int],
    regimes: Sequence[str],
    *,
    min_samples: int,
    min_share: float,
    max_share: float,
) -> tuple[ClassCount, ...]:
    """Judges the count of every regime; bounds hold for a regime that occurs.

    Args:
        counts: rows by label.
        regimes: the known labels, in the order of the result; unknown ones follow.
        min_samples: fewest rows of a regime.
        min_share: smallest share of a regime.
        max_share: largest share of a regime.

    >>> [c.problem for c in count_classes({"a": 9, "b": 91}, ["a", "b", "c"],
    ...  min_samples=10, min_share=0.01, max_share=0.9)]
    ['fewer than 10 samples', 'more than 90.0% of all', '']
    """
    total = sum(counts.values())
    unknown = sorted(set(counts) - set(regimes))
    classes = []
    for regime in (*regimes, *unknown):
        samples = counts.get(regime, 0)
        share = samples / total if total else 0.0
        lacking = 0
        problem = ""
        if regime in unknown:
            problem = "unknown label"
        elif samples and (samples < min_samples or share < min_share):
            # Adding k labels of a regime makes its share (samples + k) / (total + k).
            for_share = (min_share * total - samples) / (1 - min_share) if min_share < 1 else 0
            lacking = max(min_samples - samples, math.ceil(for_share), 1)
            few = samples < min_samples
            problem = (
                f"fewer than {min_samples} samples" if few else f"less than {min_share:.1%} of all"
            )
        elif share > max_share:
            problem = f"more than {max_share:.1%} of all"
        classes.append(ClassCount(regime, samples, share, lacking, problem))
    return tuple(classes)


class ExpectClassBalance(ColumnAggregateExpectation):
    """Expects every label that occurs to have enough rows and a share within bounds."""

    classes: list[str]
    min_samples: int = 1
    min_share: float = 0.0
    max_share: float = 1.0

    metric_dependencies: ClassVar[tuple[str, ...]] = ("column.value_counts",)
    success_keys: ClassVar[tuple[str, ...]] = ("classes", "min_samples", "min_share", "max_share")

    def _validate(self, metrics: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        counts = {str(label): int(n) for label, n in metrics["column.value_counts"].items()}
        classes = count_classes(
            counts,
            self.classes,
            min_samples=self.min_samples,
            min_share=self.min_share,
            max_share=self.max_share,
        )
        bad = [f"{c.regime} {c.samples} ({c.share:.1%}): {c.problem}" for c in classes if c.problem]
        observed = "; ".join(bad) or f"{sum(1 for c in classes if c.samples)} regimes within bounds"
        details = {"classes": [asdict(count) for count in classes]}
        return {"success": not bad, "result": {"observed_value": observed, "details": details}}
