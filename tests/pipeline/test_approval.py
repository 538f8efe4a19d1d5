"""What a person is asked before a model goes live, and what an answer makes of the decision."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ml.evidence import Evidence, Pairs
from ml.promotion import Decision, PromotionThresholds, decide
from pipeline import approval, outcome

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
BETTER = decide(
    Evidence(812, 637, 250, Pairs(800, 590, 40, 10), notes=("12 rows left",)), PromotionThresholds()
)
BETTER_NUMBERS = "accuracy 78.75% is better than production's 75.00% on the same 800 rows"
FIRST = decide(Evidence(812, 637, 250), PromotionThresholds())
ADMIN = {"id": "1", "name": "admin"}
TRAINED = {"test_accuracy": 0.7845, "train_samples": 3000}


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
        approval.question(BETTER.to_dict())
        == """\
| model | accuracy | rows |
| --- | --- | --- |
| candidate | 78.45% | 812 |
| candidate, compared | 78.75% | 800 |
| production, compared | 75.00% | 800 |

The promotion rule says yes:

- accuracy 78.4% reaches the floor of 65.0% (MIN_ACCURACY)
- accuracy 78.4% beats always naming the most frequent regime, 30.8%
- accuracy 78.8% is better than production's 75.0% on the same 800 rows (MIN_IMPROVEMENT 0.0%)
- ⚠️ 12 rows left"""
    )


def test_question_about_a_first_model_says_that_there_is_nothing_to_compare() -> None:
    text = approval.question(FIRST.to_dict())
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
    assert Decision.from_dict(answer).evidence == decision.evidence


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


def test_message_of_the_question_has_the_page_to_answer_on(monkeypatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(outcome, "tell", told.append)
    operator = approval.ModelApproval(task_id="approve_deployment", approved="a", rejected="b")
    (notifier,) = operator.notifiers
    notifier.notify({"ti": _Run()})
    (message,) = told
    assert message.kind == "approval_awaited"
    page = "http://airflow/prefix/dags/d/runs/r/tasks/approve_deployment/required_actions"
    assert message.links[0] == ("Approve or reject", page)
    assert [link.name for link in message.links[1:]] == ["Run", "Log", "Data Docs", "Report"]
    assert "candidate 78.75%, production 75.00%" in message.text
