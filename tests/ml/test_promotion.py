"""The truth table of the promotion rule."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.errors import ModelError
from ml.evidence import Evidence
from ml.promotion import Decision, PromotionThresholds, decide

BETTER = Evidence(1000, 800, 300, 1000, 800, 700)
SAME_ROWS = "on the same 1000 rows (MIN_IMPROVEMENT 0.0%)"
NOT_BETTER = f"accuracy 80.0% is not better than production's 80.0% {SAME_ROWS}"
IS_BETTER = f"accuracy 80.0% is better than production's 70.0% {SAME_ROWS}"


def verdict(evidence=BETTER, accuracy=0.65, improvement=0.0, **changes):
    return decide(replace(evidence, **changes), PromotionThresholds(accuracy, improvement))


@pytest.mark.parametrize("floor_good", [True, False])
@pytest.mark.parametrize("majority_good", [True, False])
@pytest.mark.parametrize("production", ["none", "beaten", "equal", "ahead", "broken"])
def test_rule_deploys_only_if_nothing_speaks_against_it(floor_good, majority_good, production):
    compared = {
        "none": {"compared_samples": 0, "candidate_correct": 0, "production_correct": None},
        "beaten": {"production_correct": 799},
        "equal": {"production_correct": 800},
        "ahead": {"production_correct": 801},
        "broken": {
            "compared_samples": 0,
            "candidate_correct": 0,
            "production_correct": None,
            "production_problem": "It does not open.",
        },
    }[production]
    decision = verdict(
        accuracy=0.8 if floor_good else 0.801,
        majority_correct=799 if majority_good else 800,
        **compared,
    )
    against = [not floor_good, not majority_good, production in ("equal", "ahead")]

    assert decision.deploy is not any(against)
    if any(against):
        assert len(decision.reasons) == sum(against)
    else:
        assert len(decision.reasons) == 2 + (production == "beaten")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"correct": 583}, "accuracy 58.3% is below the floor of 65.0% (MIN_ACCURACY)"),
        (
            {"majority_correct": 810},
            "accuracy 80.0% does not beat always naming the most frequent regime, 81.0%",
        ),
        (
            {"production_correct": 800},
            NOT_BETTER,
        ),
    ],
)
def test_reason_names_both_numbers(changes, reason):
    assert verdict(**changes).reasons == (reason,)


def test_reason_shows_enough_digits_to_see_the_difference():
    evidence = Evidence(10_000, 6_499, 1_000)

    assert verdict(evidence).reasons == (
        "accuracy 64.99% is below the floor of 65.00% (MIN_ACCURACY)",
    )


def test_reasons_of_a_deployment_name_every_comparison():
    assert verdict().reasons == (
        "accuracy 80.0% reaches the floor of 65.0% (MIN_ACCURACY)",
        "accuracy 80.0% beats always naming the most frequent regime, 30.0%",
        IS_BETTER,
    )


def test_improvement_equal_to_the_one_asked_is_not_enough():
    # As floats 0.8 - 0.7 is more than 0.1.
    assert 0.7 + 0.1 < 0.8
    decision = verdict(improvement=0.1)

    assert not decision.deploy
    assert "is not better by enough than production's 70.0%" in decision.reasons[0]
    assert verdict(improvement=0.099).deploy


@given(st.integers(1, 10**6), st.data())
def test_equal_models_are_never_deployed(rows, data):
    correct = data.draw(st.integers(0, rows))
    decision = verdict(Evidence(rows, correct, 0, rows, correct, correct), accuracy=0.0)

    assert not decision.deploy


@given(st.integers(1, 100))
def test_accuracy_equal_to_the_floor_reaches_it(percent):
    assert verdict(Evidence(100, percent, 0), accuracy=percent / 100).deploy


def test_negative_improvement_tolerates_a_slightly_worse_candidate():
    assert verdict(improvement=-0.01, production_correct=805).deploy
    assert not verdict(improvement=-0.01, production_correct=810).deploy


@pytest.mark.parametrize(
    "evidence", [Evidence(0, 0, 0), Evidence(0, 0, 0, 0, 0, 0), Evidence(100, 99, 1, 0, 0, 0)]
)
def test_accuracy_of_no_rows_is_never_deployed(evidence):
    decision = verdict(evidence, accuracy=0.0)

    assert not decision.deploy
    assert "there is no" in decision.reasons[0]
    json.dumps(decision.to_dict(), allow_nan=False)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.5])
def test_threshold_that_is_no_share_is_refused(value):
    with pytest.raises(ModelError, match="MIN_ACCURACY"):
        PromotionThresholds(min_accuracy=value)
    with pytest.raises(ModelError, match="MIN_IMPROVEMENT"):
        PromotionThresholds(min_improvement=value)


@pytest.mark.parametrize(
    "changes",
    [
        {"correct": math.nan},
        {"production_correct": math.nan},
        {"correct": 1001},
        {"candidate_correct": 1001},
        {"majority_correct": -1},
    ],
)
def test_counts_that_do_not_fit_together_are_refused(changes):
    with pytest.raises(ModelError, match="counts do not fit"):
        replace(BETTER, **changes)


def test_notes_say_that_there_was_nothing_to_beat():
    assert verdict(Evidence(1000, 800, 300)).notes == (
        "there is no production model, so there was nothing to beat",
    )


def test_notes_are_loud_about_a_production_file_that_cannot_be_scored():
    decision = verdict(Evidence(1000, 800, 300, production_problem="It does not open."))

    assert decision.deploy
    assert decision.notes[0].startswith("PRODUCTION COULD NOT BE SCORED: It does not open. ")


def test_notes_of_a_small_holdout_say_how_little_is_known():
    note = verdict(Evidence(50, 40, 10)).notes[1]

    assert note == "the holdout has only 50 rows, so its accuracy is known to about 11 points (95%)"


@pytest.mark.parametrize(
    "evidence", [BETTER, Evidence(10, 9, 1), replace(BETTER, notes=("a", "b"))]
)
def test_decision_through_json_is_the_same(evidence):
    decision = verdict(evidence)
    carried = json.loads(json.dumps(decision.to_dict(), allow_nan=False))

    assert Decision.from_dict(carried) == decision
    assert len(json.dumps(carried)) < 2_000
