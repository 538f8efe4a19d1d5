"""Counts per regime are judged, and say how many labels are missing."""

import pytest

from expectations.rules.class_balance import count_all, count_classes
from expectations.thresholds import Thresholds

REGIMES = ("up", "down", "flat")


BOUNDS = Thresholds()


def _problems(counts: dict[str, int], bounds: Thresholds = BOUNDS) -> dict[str, str]:
    return {c.regime: c.problem for c in count_classes(counts, REGIMES, bounds)}


def test_counts_within_bounds_have_no_problem() -> None:
    assert _problems({"up": 40, "down": 30, "flat": 30}) == {"up": "", "down": "", "flat": ""}


def test_absent_regime_is_listed_without_a_problem() -> None:
    assert _problems({"up": 50, "down": 50}) == {"up": "", "down": "", "flat": ""}


def test_rare_regime_says_which_bound_it_breaks() -> None:
    assert _problems({"up": 50, "down": 50, "flat": 9})["flat"] == "fewer than 10 samples"
    assert _problems({"up": 2000, "down": 2000, "flat": 30})["flat"] == "less than 1.0% of all"


def test_rare_regime_of_many_labels_needs_its_share_of_5000_only() -> None:
    assert _problems({"up": 12_461, "down": 12_461, "flat": 91})["flat"] == ""
    assert _problems({"up": 12_461, "down": 12_461, "flat": 49})["flat"] == "less than 1.0% of all"


def test_share_that_a_person_asks_for_holds_of_thousands_of_labels() -> None:
    counts = {"up": 4000, "down": 4000, "flat": 900}
    assert _problems(counts, Thresholds(min_class_share=0.2))["flat"] == "less than 20.0% of all"


@pytest.mark.parametrize(
    ("counts", "missing", "problem"),
    [
        ({"up": 2000, "down": 1000, "flat": 1000}, 0, ""),
        ({"up": 100, "down": 50, "flat": 50}, 100, "fewer than 300 samples"),
        ({"up": 200, "down": 200}, 10, "1 more regime needed"),
        ({"up": 500}, 20, "2 more regimes needed"),
        ({"up": 200, "down": 198, "flat": 2}, 8, ""),
        ({"up": 100, "Up": 100, "flat": 1}, 99, "fewer than 300 samples; 1 more regime needed"),
        ({}, 300, "fewer than 300 samples; 3 more regimes needed"),
    ],
)
def test_total_counts_every_label_that_is_missing(
    counts: dict[str, int], missing: int, problem: str
) -> None:
    total = count_all(count_classes(counts, REGIMES, BOUNDS), BOUNDS)
    assert (total.samples, total.missing, total.problem) == (sum(counts.values()), missing, problem)


def test_common_regime_exactly_at_the_bound_passes_and_above_fails() -> None:
    assert _problems({"up": 70, "down": 30})["up"] == ""
    assert _problems({"up": 71, "down": 29})["up"] == "more than 70.0% of all"


def test_unknown_label_is_listed_and_named() -> None:
    assert _problems({"up": 50, "down": 50, "Up": 1})["Up"] == "unknown label"


def test_no_rows_at_all_is_no_division_by_zero() -> None:
    assert _problems({}) == {"up": "", "down": "", "flat": ""}


@pytest.mark.parametrize(("total", "samples"), [(1000, 3), (10_000, 40), (4000, 30), (300, 9)])
def test_missing_labels_are_just_enough_to_pass(total: int, samples: int) -> None:
    rest = (total - samples) // 2
    counts = {"up": rest, "down": total - samples - rest, "flat": samples}
    flat = count_classes(counts, REGIMES, BOUNDS)[2]
    assert flat.problem
    for missing, passes in ((flat.missing, True), (flat.missing - 1, False)):
        after = count_classes({**counts, "flat": samples + missing}, REGIMES, BOUNDS)[2]
        assert (after.problem == "") is passes
