"""What a person is asked before a model goes live, and what an answer makes of the decision."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ml.data.samples import Coverage
from ml.evaluation.paired import Comparison
from ml.evaluation.promotion import Decision, Evidence, PromotionThresholds, decide
from pipeline.settings import read_settings
from pipeline.tasks import approve_deployment as approval
from pipeline.tasks import notify_success as outcome

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
BETTER = decide(
    Evidence(
        812, 637, 250, Comparison(800, 590, 40, 10, 0, (0.008, 0.055)), notes=("12 rows left",)
    ),
    PromotionThresholds(),
)
BETTER_NUMBERS = "accuracy 78.75% is better than production's 75.00% on the same 800 rows"
FIRST = decide(Evidence(812, 637, 250), PromotionThresholds())
ADMIN = {"id": "1", "name": "admin"}
TRAINED = {"test_accuracy": 0.7845, "total_samples": 4000, "train_samples": 3000}


class _Run:
    """A task instance with the XComs of its run."""

    dag_id, run_id, task_id = "regime_model_training", "r", "approve_deployment"
    log_url = "http://airflow/prefix/dags/d/runs/r/tasks/approve_deployment?try_number=1"

    def __init__(self, decision: Decision = BETTER) -> None:
        self.xcoms: dict[tuple[str, str], Any] = {
            ("check_data", "return_value"): {"report": {"warnings": [], "classes": []}},
            ("train_model", "return_value"): TRAINED,
            ("validate_model", "decision"): decision.to_dict(),
        }

    def xcom_pull(self, task_ids: str, key: str = "return_value") -> Any:
        return self.xcoms.get((task_ids, key))


def _event(option: str, who: dict[str, str] | None = ADMIN) -> dict[str, Any]:
    return {"chosen_options": [option], "responded_by_user": who, "responded_at": NOW}


def test_question_shows_both_models_rows_reasons_and_notes() -> None:
    assert (
        approval.question(BETTER.to_dict(), NOW, {"Report": "http://airflow/report"})
        == """\
| model | accuracy | rows |
| --- | --- | --- |
| candidate | 78.45% | 812 |
| candidate, compared | 78.75% | 800 |
| production, compared | 75.00% | 800 |

Difference: **+3.8 points** (95%: +0.8 to +5.5)

The promotion rule says yes:

- accuracy 78.4% reaches the floor of 65.0% (MIN_ACCURACY)
- accuracy 78.4% beats always naming the most frequent regime, 30.8%
- accuracy 78.8% is better than production's 75.0% on the same 800 rows (MIN_IMPROVEMENT 0.0%)
- ⚠️ 12 rows left

Without an answer by Sun 22 Nov 03:00 UTC production keeps its model. \
[Report](http://airflow/report)"""
    )


def test_question_about_a_first_model_says_that_there_is_nothing_to_compare() -> None:
    text = approval.question(FIRST.to_dict(), NOW)
    assert "| production | not scored | |" in text
    assert "⚠️ there is no production model" in text


@pytest.mark.parametrize(
    ("decision", "who", "told"),
    [
        (
            BETTER,
            ADMIN,
            f"rejected by admin, although {BETTER_NUMBERS}",
        ),
        (FIRST, ADMIN, "rejected by admin, although accuracy 78.45% passed the promotion rule"),
        (
            FIRST,
            None,
            "nobody approved it within 3 days, although accuracy 78.45% passed the promotion rule",
        ),
    ],
)
def test_no_and_no_answer_become_the_reason_with_its_numbers(decision, who, told) -> None:
    answer = approval.answered(decision.to_dict(), _event("Reject", who))
    assert (answer["deploy"], answer["reasons"]) == (False, [told])
    assert answer["approval"]["by"] == (who and who["name"])
    assert answer["comparison"] == decision.to_dict()["comparison"]


def test_yes_stands_before_the_reasons_of_the_rule() -> None:
    answer = approval.answered(BETTER.to_dict(), _event("Approve"))
    assert answer["deploy"] is True
    assert answer["reasons"] == ["approved by admin", *BETTER.reasons]
    assert answer["approval"]["at"] == "2026-11-22T03:00:00+00:00"


def test_decision_of_a_run_is_the_answer_if_this_attempt_asked() -> None:
    run = _Run()
    assert approval.decision_of(run) == BETTER.to_dict()
    answer = approval.answered(BETTER.to_dict(), _event("Reject"))
    run.xcoms["approve_deployment", "decision"] = answer
    assert approval.decision_of(run) == answer
    refused = decide(Evidence(812, 1, 250), PromotionThresholds()).to_dict()
    run.xcoms["validate_model", "decision"] = refused
    assert approval.decision_of(run) == refused


def _thin() -> Decision:
    thin = Coverage(1, 3)
    return decide(Evidence(812, 637, 250, coverage=thin), PromotionThresholds())


class _Context(dict[str, Any]):
    """What Airflow hands to an operator."""


@pytest.mark.parametrize(
    ("decision", "asked", "passes"),
    [(BETTER, False, True), (BETTER, True, False), (_thin(), False, False)],
)
def test_person_is_asked_where_run_or_rule_wants_it(monkeypatch, decision, asked, passes) -> None:
    operator = approval.ModelApproval(task_id="approve_deployment", approved="a", rejected="b")
    monkeypatch.setattr(operator, "do_branch", lambda _context, task: task)
    monkeypatch.setattr(approval.HITLBranchOperator, "execute", lambda *_: "asked")
    context = _Context(params={"require_approval": asked}, ti=_Run(decision))
    assert operator.execute(context) == ("a" if passes else "asked")


def test_question_and_refusal_say_why_a_person_is_asked() -> None:
    decision = _thin().to_dict()
    assert "⚠️ a person should decide: the holdout's 812 rows come from 1 days and 3 runs" in (
        approval.question(decision, NOW)
    )
    answer = approval.answered(decision, _event("Reject"))
    assert answer["reasons"][1].startswith("a person was asked because the holdout's 812 rows")


class _DagRun:
    def __init__(self, user: str) -> None:
        self.triggering_user_name = user


@pytest.mark.parametrize(
    ("variable", "user", "require_approval", "expected"),
    [
        ("", "admin", False, "ask"),
        ("", "dag_test", False, "keep"),
        ("", "dag_test", True, "ask"),
        ("ask", "dag_test", False, "ask"),
        ("keep", "admin", False, "keep"),
    ],
)
def test_on_doubt_asks_unless_nobody_can_answer(
    monkeypatch, variable, user, require_approval, expected
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_ON_DOUBT", variable)
    params = {"require_approval": require_approval}
    assert approval.on_doubt(read_settings(params), params, _DagRun(user)) == expected


def test_former_place_is_not_asked_for_in_a_test_run() -> None:
    assert approval.former_place(None, _DagRun("dag_test")) is None


def test_message_of_the_question_has_the_page_to_answer_on(monkeypatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(outcome, "tell", told.append)
    operator = approval.ModelApproval(task_id="approve_deployment", approved="a", rejected="b")
    (notifier,) = operator.notifiers
    notifier.notify({"ti": _Run()})
    (message,) = told
    assert message.kind == "waiting"
    page = "http://airflow/prefix/dags/d/runs/r/tasks/approve_deployment/required_actions"
    assert message.links[0] == ("Approve or reject", page)
    assert [link.name for link in message.links[1:]] == [
        "Run",
        "Log",
        "Data Docs",
        "Report",
        "Models",
    ]
    assert "candidate 78.75%, production 75.00%" in message.text
