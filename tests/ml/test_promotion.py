"""The truth table of the promotion rule."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.errors import ModelError
from ml.evidence import Evidence, Pairs
from ml.promotion import Decision, PromotionThresholds, decide


def against(production_correct, rows=1000, correct=800):
    """Models that agree wherever both can be right."""
    both = min(correct, production_correct)
    return Pairs(rows, both, correct - both, production_correct - both)


BETTER = Evidence(1000, 800, 300, against(700))
SAME_ROWS = "on the same 1000 rows (MIN_IMPROVEMENT 0.0%)"
NOT_BETTER = f"accuracy 80.0% is not better than production's 80.0% {SAME_ROWS}"
MAY_BE_CHANCE = (
    "that it alone names 41 rows against 33 rightly may be chance "
    "(McNemar: p = 0.42, MAX_P_VALUE 0.05)"
)
IS_BETTER = f"accuracy 80.0% is better than production's 70.0% {SAME_ROWS}"


def verdict(evidence=BETTER, accuracy=0.65, improvement=0.0, max_p_value=None, **changes):
    thresholds = PromotionThresholds(accuracy, improvement, max_p_value)
    return decide(replace(evidence, **changes), thresholds)


@pytest.mark.parametrize("floor_good", [True, False])
@pytest.mark.parametrize("majority_good", [True, False])
@pytest.mark.parametrize("production", ["none", "beaten", "equal", "ahead", "broken"])
@pytest.mark.parametrize("max_p_value", [None, 1.0, 0.01])
def test_rule_deploys_only_if_nothing_speaks_against_it(
    floor_good, majority_good, production, max_p_value
):
    compared = {
        "none": {"pairs": None},
        "beaten": {"pairs": against(799)},
        "equal": {"pairs": against(800)},
        "ahead": {"pairs": against(801)},
        "broken": {"pairs": None, "production_problem": "It does not open."},
    }[production]
    decision = verdict(
        accuracy=0.8 if floor_good else 0.801,
        max_p_value=max_p_value,
        majority_correct=799 if majority_good else 800,
        **compared,
    )
    scored = production in ("beaten", "equal", "ahead")
    bad = [
        not floor_good,
        not majority_good,
        production in ("equal", "ahead"),
        scored and max_p_value == 0.01,
    ]

    assert decision.deploy is not any(bad)
    if any(bad):
        assert len(decision.reasons) == sum(bad)
    else:
        assert len(decision.reasons) == 2 + scored + (scored and max_p_value is not None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"correct": 583}, "accuracy 58.3% is below the floor of 65.0% (MIN_ACCURACY)"),
        (
            {"majority_correct": 810},
            "accuracy 80.0% does not beat always naming the most frequent regime, 81.0%",
        ),
        (
            {"pairs": against(800)},
            NOT_BETTER,
        ),
        (
            {"pairs": Pairs(1000, 759, 41, 33), "max_p_value": 0.05},
            MAY_BE_CHANCE,
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
    both = data.draw(st.integers(max(0, 2 * correct - rows), correct))
    pairs = Pairs(rows, both, correct - both, correct - both)
    decision = verdict(Evidence(rows, correct, 0, pairs), accuracy=0.0)

    assert not decision.deploy


@given(st.integers(1, 100))
def test_accuracy_equal_to_the_floor_reaches_it(percent):
    assert verdict(Evidence(100, percent, 0), accuracy=percent / 100).deploy


def test_negative_improvement_tolerates_a_slightly_worse_candidate():
    assert verdict(improvement=-0.01, pairs=against(805)).deploy
    assert not verdict(improvement=-0.01, pairs=against(810)).deploy


def test_improvement_that_may_be_chance_is_kept_out_only_if_asked():
    pairs = Pairs(1000, 759, 41, 33)

    assert verdict(pairs=pairs).deploy
    assert not verdict(pairs=pairs, max_p_value=0.05).deploy
    assert verdict(pairs=Pairs(1000, 740, 60, 20), max_p_value=0.05).deploy


def test_p_value_is_that_of_the_exact_test():
    # 2 * (1 + 10) / 2**10
    assert Pairs(100, 50, 9, 1).p_value == pytest.approx(0.021484375)
    assert Pairs(100, 50, 0, 0).p_value == 1.0


def test_accuracy_of_no_rows_is_never_deployed():
    decision = verdict(Evidence(0, 0, 0), accuracy=0.0)

    assert not decision.deploy
    assert "there is no" in decision.reasons[0]
    json.dumps(decision.to_dict(), allow_nan=False)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.5])
def test_threshold_that_is_no_share_is_refused(value):
    with pytest.raises(ModelError, match="MIN_ACCURACY"):
        PromotionThresholds(min_accuracy=value)
    with pytest.raises(ModelError, match="MIN_IMPROVEMENT"):
        PromotionThresholds(min_improvement=value)
    with pytest.raises(ModelError, match="MAX_P_VALUE"):
        PromotionThresholds(max_p_value=value)


@pytest.mark.parametrize(
    "changes",
    [
        {"correct": math.nan},
        {"correct": 1001},
        {"majority_correct": -1},
        {"holdout_samples": 999},
    ],
)
def test_counts_that_do_not_fit_together_are_refused(changes):
    with pytest.raises(ModelError, match="counts do not fit"):
        replace(BETTER, **changes)


@pytest.mark.parametrize(
    "counts", [(0, 0, 0, 0), (10, 5, 5, 1), (10, -1, 5, 5), (10, math.nan, 0, 0), (10, 5.0, 0, 0)]
)
def test_pairs_that_do_not_fit_together_are_refused(counts):
    with pytest.raises(ModelError, match="counts do not fit"):
        Pairs(*counts)


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
