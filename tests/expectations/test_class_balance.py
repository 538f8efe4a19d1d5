"""Counts per regime are judged, and say how many labels are missing."""

import pytest

from expectations.class_balance import count_classes

REGIMES = ("up", "down", "flat")


def _problems(counts: dict[str, int], **bounds: float) -> dict[str, str]:
    given = {"min_samples": 10, "min_share": 0.01, "max_share": 0.7, **bounds}
    return {c.regime: c.problem for c in count_classes(counts, REGIMES, **given)}  # type: ignore[arg-type]


def test_counts_within_bounds_have_no_problem() -> None:
    assert _problems({"up": 40, "down": 30, "flat": 30}) == {"up": "", "down": "", "flat": ""}


def test_absent_regime_is_listed_without_a_problem() -> None:
    assert _problems({"up": 50, "down": 50}) == {"up": "", "down": "", "flat": ""}


def test_rare_regime_says_which_bound_it_breaks() -> None:
    assert _problems({"up": 50, "down": 50, "flat": 9})["flat"] == "fewer than 10 samples"
    assert _problems({"up": 5000, "down": 5000, "flat": 50})["flat"] == "less than 1.0% of all"


def test_common_regime_exactly_at_the_bound_passes_and_above_fails() -> None:
    assert _problems({"up": 70, "down": 30})["up"] == ""
    assert _problems({"up": 71, "down": 29})["up"] == "more than 70.0% of all"


def test_unknown_label_is_listed_and_named() -> None:
    assert _problems({"up": 50, "down": 50, "Up": 1})["Up"] == "unknown label"


def test_no_rows_at_all_is_no_division_by_zero() -> None:
    assert _problems({}) == {"up": "", "down": "", "flat": ""}


@pytest.mark.parametrize(("total", "samples"), [(1000, 3), (10_000, 60), (300, 9)])
def test_missing_labels_are_just_enough_to_pass(total: int, samples: int) -> None:
    rest = (total - samples) // 2
    counts = {"up": rest, "down": total - samples - rest, "flat": samples}
    bounds = {"min_samples": 10, "min_share": 0.01, "max_share": 0.7}
    flat = count_classes(counts, REGIMES, **bounds)[2]  # type: ignore[arg-type]
    assert flat.problem
    for missing, passes in ((flat.missing, True), (flat.missing - 1, False)):
        after = count_classes({**counts, "flat": samples + missing}, REGIMES, **bounds)[2]  # type: ignore[arg-type]
        assert (after.problem == "") is passes
