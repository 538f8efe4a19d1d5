"""Rules that compare the judged rows with those production was trained on.

A market drifts, so a shifted distribution is only reported. What blocks is what no market does:
another unit, columns mixed up, a source that stands still (docs/decisions/006-drift.md).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from great_expectations import expectations as gxe

from expectations.rules.bins import WARN_AT, Bins, as_plain, count_bins, count_labels
from expectations.rules.reference import FeatureProfile, Reference
from expectations.rules.shifts import (
    ExpectColumnsInPlace,
    ExpectComparable,
    ExpectFeaturesAsTrained,
    ExpectLabelsAsTrained,
)
from expectations.rules.sizes import rules_of_sizes
from expectations.rules.sql import ExpectNoneNamed, words_of
from expectations.severity import CORRECT_SOURCE, critical, warning

_LABEL = "regime_label"
_NO_MODEL = "no production model yet"
_NO_PROFILE = "production's metrics hold no profile of its training data"


def rules_of_drift(
    reference: Reference | None, features: Sequence[str], regimes: Sequence[str]
) -> Iterator[gxe.Expectation]:
    """Lists the rules; a single one that says why if there is nothing to compare with."""
    profiles = reference.features if reference else {}
    known = {name: profiles[name] for name in features if name in profiles}
    unknown = [name for name in features if name not in profiles] if known else []
    problem = f"nothing is known there of {', '.join(unknown)}" if unknown else ""
    if reference and not known:
        problem = f"cannot be compared with it: {reference.problem or _NO_PROFILE}"
    yield ExpectComparable(
        problem=problem,
        observed="all features" if reference else f"nothing to compare with: {_NO_MODEL}",
        **warning(
            "compared with production",
            "every feature is, with production's training data",
            "What a model was not trained on, it does not know.",
        ),
    )
    if reference is None or not known:
        return
    yield from _rules_of_shifts(reference, known, regimes)
    yield from rules_of_sizes(known)
    yield from _rules_of_sources(features, known)


def _rules_of_shifts(
    reference: Reference, known: Mapping[str, FeatureProfile], regimes: Sequence[str]
) -> Iterator[gxe.Expectation]:
    bins = {name: Bins(profile.edges, profile.counts) for name, profile in known.items()}
    binned: dict[str, Any] = {
        "aggregate": count_bins(bins),
        "bins": as_plain(bins),
        "trained_days": reference.symbol_days,
    }
    yield ExpectFeaturesAsTrained(
        **binned,
        **warning(
            "features as trained",
            f"PSI against production's training data at most {WARN_AT}, or within chance",
            "The market, or the way a feature is calculated, is no longer what production learned.",
        ),
    )
    if any(reference.regimes.get(regime) for regime in regimes):
        yield ExpectLabelsAsTrained(
            aggregate=count_labels(_LABEL, regimes),
            labels=list(regimes),
            trained=[reference.regimes.get(regime, 0) for regime in regimes],
            trained_days=reference.symbol_days,
            **warning(
                "labels as trained",
                f"PSI against production's training data at most {WARN_AT}, or within chance",
                "The market, or what people call a regime, is no longer what production learned.",
            ),
        )
    yield ExpectColumnsInPlace(
        **binned,
        **critical(
            "columns in their places",
            "no two features that look like each other in production's training data",
            "No market does that: values were written into each other's columns.",
            CORRECT_SOURCE,
        ),
    )


def _rules_of_sources(
    features: Sequence[str], known: Mapping[str, FeatureProfile]
) -> Iterator[gxe.Expectation]:
    new = set(features) - set(known)
    yield ExpectNoneNamed(
        aggregate=words_of(f"if(count() > 1 AND min({f}) = max({f}), '{f}', '')" for f in features),
        allowed=tuple(f for f in features if f in new or known[f].may_stand_still),
        **critical(
            "features still vary",
            "none is constant that varied in production's training data",
            "Its source has stopped: no market stands still.",
            CORRECT_SOURCE,
        ),
    )
    yield ExpectNoneNamed(
        aggregate=words_of(f"if({_only_whole(f)}, '{f}', '')" for f in features),
        allowed=tuple(f for f in features if f in new or known[f].whole),
        **critical(
            "features still have fractions",
            "none is of whole numbers only that had fractions in production's training data",
            "It holds another quantity, such as a count, or is rounded now.",
            CORRECT_SOURCE,
        ),
    )


def _only_whole(feature: str) -> str:
    # Not as float32, in which every volume above 17 million is a whole number.
    return f"min({feature}) < max({feature}) AND countIf({feature} != floor({feature})) = 0"
