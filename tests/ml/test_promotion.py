"""The truth table of the promotion rule."""

import json
import math
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.data.samples import Coverage
from ml.errors import ModelError
from ml.evaluation.paired import Comparison
from ml.evaluation.promotion import Evidence, PromotionThresholds, decide


def against(production_correct, rows=1000, correct=800):
    """Models that agree wherever both can be right."""
    both = min(correct, production_correct)
    return Comparison(rows, both, correct - both, production_correct - both)


BETTER = Evidence(1000, 800, 300, against(700))
SAME_ROWS = "on the same 1000 rows (MIN_IMPROVEMENT 0.0%)"
NOT_BETTER = f"accuracy 80.0% is not better than production's 80.0% {SAME_ROWS}"
MAY_BE_CHANCE = (
    "that it alone predicts 41 rows against 33 correctly may be chance "
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
        "none": {"comparison": None},
        "beaten": {"comparison": against(799)},
        "equal": {"comparison": against(800)},
        "ahead": {"comparison": against(801)},
        "broken": {"comparison": None, "production_problem": "It does not open."},
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
            {"comparison": against(800)},
            NOT_BETTER,
        ),
        (
            {"comparison": Comparison(1000, 759, 41, 33), "max_p_value": 0.05},
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
    compared = Comparison(rows, both, correct - both, correct - both)
    decision = verdict(Evidence(rows, correct, 0, compared), accuracy=0.0)

    assert not decision.deploy


@given(st.integers(1, 100))
def test_accuracy_equal_to_the_floor_reaches_it(percent):
    assert verdict(Evidence(100, percent, 0), accuracy=percent / 100).deploy


def test_negative_improvement_tolerates_a_slightly_worse_candidate():
    assert verdict(improvement=-0.01, comparison=against(805)).deploy
    assert not verdict(improvement=-0.01, comparison=against(810)).deploy


def test_improvement_that_may_be_chance_is_kept_out_only_if_asked():
    compared = Comparison(1000, 759, 41, 33)

    assert verdict(comparison=compared).deploy
    assert not verdict(comparison=compared, max_p_value=0.05).deploy
    assert verdict(comparison=Comparison(1000, 740, 60, 20), max_p_value=0.05).deploy


def test_p_value_is_that_of_the_exact_test():
    # 2 * (1 + 10) / 2**10
    assert Comparison(100, 50, 9, 1).p_value == pytest.approx(0.021484375)
    assert Comparison(100, 50, 0, 0).p_value == 1.0


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
def test_comparison_whose_counts_do_not_fit_together_is_refused(counts):
    with pytest.raises(ModelError, match="counts do not fit"):
        Comparison(*counts)


def test_notes_say_that_there_was_nothing_to_beat():
    assert verdict(Evidence(1000, 800, 300)).notes == (
        "there is no production model, so there was nothing to beat",
    )


def test_notes_are_loud_about_a_production_file_that_cannot_be_scored():
    decision = verdict(Evidence(1000, 800, 300, production_problem="It does not open."))

    assert decision.deploy
    assert decision.notes[0].startswith("PRODUCTION COULD NOT BE SCORED: It does not open. ")


STRETCH = replace(BETTER, coverage=Coverage(2, 7))
ENOUGH = replace(BETTER, coverage=Coverage(5, 20), interval=(0.7, 0.9))


def test_note_says_how_far_the_accuracy_is_known():
    (note,) = verdict(ENOUGH).notes
    told = "5 days and 20 runs of one regime in 1000 rows"
    assert note == f"the accuracy is known to about 10 points (95%: 70.0% to 90.0%; {told})"
    assert verdict(ENOUGH, interval=(0.78, 0.82)).notes == ()


def test_note_says_that_nothing_is_known_of_a_holdout_without_enough_blocks():
    (note,) = verdict(ENOUGH, interval=None).notes
    assert note.endswith("is too short to say how far its accuracy is chance")


def test_better_of_both_constants_must_be_beaten():
    decision = verdict(holdout_majority_correct=800)
    assert not decision.deploy
    assert decision.reasons == (
        "accuracy 80.0% does not beat always naming the holdout's own most frequent regime, 80.0%",
    )
    assert verdict(holdout_majority_correct=799).deploy


@pytest.mark.parametrize(
    ("coverage", "told"),
    [
        (Coverage(4, 20), "1000 rows come from 4 days and 20 runs of one regime, too few"),
        (Coverage(5, 19), "1000 rows come from 5 days and 19 runs of one regime, too few"),
        (Coverage(1, 1), "(asked for: 5 days and 20 runs, MIN_HOLDOUT_DAYS and MIN_HOLDOUT_RUNS)"),
    ],
)
def test_thin_holdout_asks_a_person_with_the_numbers_and_what_to_label(coverage, told):
    decision = verdict(coverage=coverage)
    (doubt,) = decision.doubts
    assert decision.deploy
    assert told in doubt and "label rows spread over weeks" in doubt
    assert decision.notes[0] == f"a person should decide: {doubt}"


@pytest.mark.parametrize("evidence", [ENOUGH, replace(ENOUGH, comparison=None)])
def test_holdout_of_enough_days_and_runs_asks_nobody(evidence):
    decision = verdict(evidence)
    assert decision.deploy and decision.doubts == ()


def test_thin_holdout_without_production_asks_too():
    assert verdict(STRETCH, comparison=None).doubts


def test_doubt_keeps_production_at_once_where_nobody_is_to_be_asked():
    decision = decide(STRETCH, PromotionThresholds(on_doubt="keep"))
    assert not decision.deploy
    (reason,) = decision.reasons
    assert reason == f"a person should decide (ON_DOUBT is keep): {decision.doubts[0]}"


def test_doubt_beside_a_refusal_is_a_note():
    decision = decide(replace(STRETCH, correct=500), PromotionThresholds(on_doubt="keep"))
    assert not decision.deploy
    assert decision.reasons[0].startswith("accuracy 50.0% is below the floor")
    assert decision.notes[0].startswith("a person should decide: ")


@pytest.mark.parametrize(
    ("cv", "told"),
    [
        (
            (0.1, 0.3),
            "cross-validation in time (95%: 10.0% to 30.0%) lies below the floor of 65.0%",
        ),
        ((0.66, 0.69), "and holdout (95%: 70.0% to 90.0%) differ by more than chance"),
        ((0.91, 0.95), "and holdout (95%: 70.0% to 90.0%) differ by more than chance"),
    ],
)
def test_cross_validation_that_says_another_thing_asks_a_person(cv, told):
    (doubt,) = verdict(ENOUGH, cv_interval=cv).doubts
    assert told in doubt


@pytest.mark.parametrize("cv", [None, (0.66, 0.71), (0.6, 0.95)])
def test_cross_validation_that_may_agree_asks_nobody(cv):
    assert not verdict(ENOUGH, cv_interval=cv).doubts


def test_word_that_is_neither_ask_nor_keep_is_refused():
    with pytest.raises(ModelError, match="ON_DOUBT is 'perhaps'"):
        PromotionThresholds(on_doubt="perhaps")


@pytest.mark.parametrize(
    "evidence",
    [
        BETTER,
        Evidence(10, 9, 1),
        replace(ENOUGH, notes=("a", "b"), doubts=("odd",), cv_interval=(0.7, 0.8)),
    ],
)
def test_decision_as_json_is_small_and_has_every_number(evidence):
    decision = verdict(evidence)
    carried = json.loads(json.dumps(decision.to_dict(), allow_nan=False))

    assert (carried["accuracy"], carried["reasons"]) == (evidence.accuracy, list(decision.reasons))
    assert carried["thresholds"] == asdict(decision.thresholds)
    compared = evidence.comparison
    assert (carried["comparison"] or {}).get("rows") == (compared and compared.rows)
    assert len(json.dumps(carried)) < 2_000
