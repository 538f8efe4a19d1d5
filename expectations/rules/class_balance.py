"""The expectation that no regime is too rare or too common, with every regime's count in sight."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Final

from great_expectations.expectations.expectation import BatchExpectation

from expectations.rules.sql import ROWS, TABLE, quote, shown
from expectations.run_record import ClassCount
from expectations.thresholds import Thresholds

UNKNOWN: Final = "unknown label"
_MANY: Final = 5_000
_SHOWN: Final = 5
_ROUNDING: Final = 1e-9


def count_classes(
    counts: Mapping[str, int], regimes: Sequence[str], bounds: Thresholds
) -> tuple[ClassCount, ...]:
    """Judges the count of every regime; bounds hold for a regime that occurs.

    Args:
        counts: rows by label.
        regimes: the known labels, in the order of the result; unknown ones follow.
        bounds: what is asked for.

    >>> bounds = Thresholds(max_class_share=0.9)
    >>> classes = count_classes({"a": 9, "b": 91}, ["a", "b", "c"], bounds)
    >>> [c.problem for c in classes]
    ['fewer than 10 samples', 'more than 90.0% of all', '']
    """
    total = sum(counts.values())
    known = [_judged(regime, counts.get(regime, 0), total, bounds) for regime in regimes]
    unknown = (
        ClassCount(label, samples, samples / total, 0, UNKNOWN)
        for label, samples in counts.items()
        if label not in regimes
    )
    return (*known, *unknown)


def count_all(classes: Sequence[ClassCount], bounds: Thresholds) -> ClassCount:
    """Sums the regimes up: all samples, and how many labels are missing in all, and why.

    >>> bounds = Thresholds(min_classes=1)
    >>> count_all(count_classes({"a": 50}, ["a", "b"], bounds), bounds)
    ClassCount(regime='all', samples=50, share=1.0, missing=250, problem='fewer than 300 samples')
    """
    samples = sum(c.samples for c in classes)
    occurring = sum(1 for c in classes if c.samples and c.problem != UNKNOWN)
    lacking = max(0, bounds.min_classes - occurring)
    of_regimes = sum(c.missing for c in classes) + lacking * bounds.min_samples_per_class
    problems = (
        (f"fewer than {bounds.min_samples:,} samples", samples < bounds.min_samples),
        (f"{lacking} more {'regime' if lacking == 1 else 'regimes'} needed", lacking > 0),
    )
    problem = "; ".join(words for words, holds in problems if holds)
    return ClassCount("all", samples, 1.0, max(of_regimes, bounds.min_samples - samples), problem)


def _judged(regime: str, samples: int, total: int, bounds: Thresholds) -> ClassCount:
    share = samples / total if total else 0.0
    fewest, least = bounds.min_samples_per_class, bounds.min_class_share
    few, enough = samples < fewest, least * _MANY
    rare = share < least and samples < enough
    if samples and (few or rare):
        # Adding k labels of a regime makes its share (samples + k) / (total + k).
        of_all = (least * total - samples) / (1 - least or math.inf)
        for_share = math.ceil(min(of_all, enough - samples) - _ROUNDING) if rare else 0
        problem = f"fewer than {fewest} samples" if few else f"less than {least:.1%} of all"
        lacking = max(fewest - samples, for_share, 1)
        return ClassCount(regime, samples, share, lacking, problem)
    much = share > bounds.max_class_share
    problem = f"more than {bounds.max_class_share:.1%} of all" if much else ""
    return ClassCount(regime, samples, share, 0, problem)


class ExpectClassBalance(BatchExpectation):
    """Expects every known label that occurs to have enough rows and a share within bounds.

    Attributes:
        query: see `counting`.
        classes: the known labels.
        bounds: the `Thresholds` as a plain dict.
    """

    query: str
    classes: list[str]
    bounds: dict[str, Any]

    metric_dependencies: ClassVar[tuple[str, ...]] = (ROWS,)
    success_keys: ClassVar[tuple[str, ...]] = ("query", "classes", "bounds")

    def _validate(self, metrics: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        bounds = Thresholds(**self.bounds)
        counts = {_name(row): int(row["samples"]) for row in metrics[ROWS]}
        classes = count_classes(counts, self.classes, bounds)
        # An unknown label is the matter of another rule.
        judged = [c for c in classes if c.problem != UNKNOWN]
        bad = [f"{c.regime} {c.samples} ({c.share:.1%}): {c.problem}" for c in judged if c.problem]
        observed = "; ".join(bad) or f"{sum(1 for c in judged if c.samples)} regimes within bounds"
        details = {
            "classes": [asdict(count) for count in classes],
            "all": asdict(count_all(classes, bounds)),
        }
        return {"success": not bad, "result": {"observed_value": observed, "details": details}}


def counting(column: str, classes: Sequence[str]) -> str:
    """SQL of the rows of each known label, of a few unknown ones, and of all other unknown ones."""
    known = f"{column} IN ({', '.join(map(quote, classes))})"
    place = f"row_number() OVER (PARTITION BY {known} ORDER BY count() DESC, {column})"
    listed = f"{known} OR {place} <= {_SHOWN}"
    return (
        "SELECT label, sum(rows) AS samples, count() AS labels FROM ("
        f"SELECT if({listed}, toString({column}), '') AS label, count() AS rows "
        f"FROM {TABLE} GROUP BY {column}) GROUP BY label ORDER BY samples DESC, label"
    )


def _name(row: Mapping[str, Any]) -> str:
    """A label as it is shown; the frozen rows have no empty one."""
    others = row["label"] == shown("")
    return f"{int(row['labels']):,} other unknown labels" if others else str(row["label"])
