"""The texts people read, compared word for word."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from notifications import messages
from notifications.facts import (
    Comparison,
    FailedRule,
    FailedTask,
    RegimeCount,
    RejectedData,
    RollbackFacts,
    Significance,
    TrainingFacts,
)

COMPLETED = datetime(2024, 11, 28, 2, 15, tzinfo=UTC)
LINKS = {
    "Run": "http://localhost:8080/dags/regime_model_training/runs/r1",
    "Data Docs": None,
    "Report": "http://localhost:8080/report?run=r1&tab=1",
}

DEPLOYED_CONTRACT = """\
🎯 Regime Detection Model Training Complete

✅ Status: SUCCESS
📊 Test Accuracy: 78.5%
📈 Training Samples: 450
🕐 Completed: 2024-11-28 02:15 UTC

Model deployed to production.
Application will use new model on next restart."""

REJECTED_CONTRACT = """\
❌ Regime Detection Model Training Failed

Task: check_data
Error: Insufficient data quality
Samples: 250 (need 300+)

Please label more data and retry."""


def test_deployed_with_facts_alone_is_the_contract():
    message = messages.deployed(TrainingFacts(0.785, 450, COMPLETED))
    assert message.text == DEPLOYED_CONTRACT
    assert message.kind == "deployed"


def test_deployed_with_everything_puts_details_and_known_links_below_the_contract():
    facts = TrainingFacts(
        0.785,
        450,
        COMPLETED,
        reasons=("Accuracy 78.50% is at least 65.00%.",),
        comparison=Comparison(candidate=0.785, production=0.74, rows=90),
        notes=("3 rows left the comparison: production had seen them.",),
    )
    assert messages.deployed(facts, LINKS).text == (
        DEPLOYED_CONTRACT
        + """

⚠️ 3 rows left the comparison: production had seen them.
Compared on the same 90 rows: candidate 78.50%, production 74.00%.
• Accuracy 78.50% is at least 65.00%.

Run: http://localhost:8080/dags/regime_model_training/runs/r1
Report: http://localhost:8080/report?run=r1&tab=1"""
    )


def test_not_deployed_with_two_reasons_names_both_in_one_sentence():
    facts = TrainingFacts(
        0.62,
        450,
        COMPLETED,
        reasons=(
            "accuracy 62.00% is below the floor of 65.00%",
            "production reaches 64.00% on the same 90 rows.",
        ),
        comparison=Comparison(candidate=0.62, production=0.64, rows=90),
    )
    assert (
        messages.not_deployed(facts).text
        == """\
🎯 Regime Detection Model Training Complete

✅ Status: SUCCESS
📊 Test Accuracy: 62.0%
📈 Training Samples: 450
🕐 Completed: 2024-11-28 02:15 UTC

Model not deployed: accuracy 62.00% is below the floor of 65.00%; production reaches 64.00% on \
the same 90 rows.
Production model unchanged.

Compared on the same 90 rows: candidate 62.00%, production 64.00%."""
    )


def test_approval_awaited_says_what_by_when_and_what_happens_without_an_answer():
    facts = TrainingFacts(
        0.785,
        450,
        COMPLETED,
        reasons=("accuracy 78.50% reaches the floor of 65.00%",),
        comparison=Comparison(candidate=0.785, production=0.74, rows=90),
    )
    page = {"Approve or reject": "http://localhost:8080/x/required_actions"}
    assert (
        messages.approval_awaited(facts, COMPLETED + timedelta(days=3), page).text
        == """\
✋ Regime Detection Model Awaits Approval

📊 Test Accuracy: 78.5%
📈 Training Samples: 450
⏳ Answer by: 2024-12-01 02:15 UTC

Please approve or reject it in Airflow.
Without an answer, production keeps its model.

Compared on the same 90 rows: candidate 78.50%, production 74.00%.
• accuracy 78.50% reaches the floor of 65.00%

Approve or reject: http://localhost:8080/x/required_actions"""
    )


def test_rolled_back_names_both_models_and_where_the_replaced_one_is_kept():
    facts = RollbackFacts(
        run_id="r1",
        sha256="0123456789abcdef",
        accuracy=0.74,
        completed=COMPLETED,
        replaced_run_id="r2",
        replaced_accuracy=0.785,
        kept="backups/2024-11-28T021500Z_fedcba98",
    )
    assert (
        messages.rolled_back(facts, {"Log": "http://localhost:8080/log"}).text
        == """\
⏪ Regime Detection Model Rolled Back

✅ Status: SUCCESS
📊 Test Accuracy: 74.0%
🕐 Completed: 2024-11-28 02:15 UTC

The model of run r1 (SHA-256 0123456789ab…) is in production again.
Application will use it on next restart.

It replaced the model of run r2 (test accuracy 78.5%), kept in backups/2024-11-28T021500Z_fedcba98.
Held: no run replaces it until a person approves one (or python -m ml release).

Log: http://localhost:8080/log"""
    )


def test_rolled_back_to_what_was_there_already_says_that_nothing_changed():
    text = messages.rolled_back(RollbackFacts("r1", "0" * 64, None, COMPLETED, changed=False)).text
    assert "📊 Test Accuracy: not known" in text
    assert text.endswith("was in production already.\nProduction model unchanged.")


@pytest.mark.parametrize(
    "completed",
    [
        COMPLETED.replace(tzinfo=None),
        datetime(2024, 11, 28, 7, 45, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    ],
)
def test_completed_in_another_zone_or_none_is_told_in_utc(completed):
    message = messages.deployed(TrainingFacts(0.785, 450, completed))
    assert message.text == DEPLOYED_CONTRACT


def test_data_rejected_with_too_few_samples_starts_with_the_contract():
    facts = RejectedData(
        samples=250,
        needed=300,
        failed=(
            FailedRule("labelled samples", "at least 300", "250"),
            FailedRule("share of trend_up", "0.01 to 0.70", "0.74"),
        ),
        regimes=(RegimeCount("trend_up", 185), RegimeCount("breakout", 4, missing=6)),
    )
    assert messages.data_rejected(facts, LINKS).text == (
        REJECTED_CONTRACT
        + """

Failed expectations:
• labelled samples: expected at least 300, observed 250
• share of trend_up: expected 0.01 to 0.70, observed 0.74
Labels per regime:
• trend_up: 185
• breakout: 4 (6 more needed)

Run: http://localhost:8080/dags/regime_model_training/runs/r1
Report: http://localhost:8080/report?run=r1&tab=1"""
    )


def test_data_rejected_with_enough_samples_still_names_the_number_needed():
    message = messages.data_rejected(RejectedData(samples=900, needed=300))
    assert message.text == REJECTED_CONTRACT.replace("250", "900")


def test_task_failed_with_error_over_lines_tells_it_in_one():
    facts = FailedTask("train_model", "ValueError:\n  no <rows> left", "Widen the window.")
    assert (
        messages.task_failed(facts, {"Log": "http://localhost:8080/log"}).text
        == """\
❌ Regime Detection Model Training Failed

Task: train_model
Error: ValueError: no <rows> left

Widen the window.

Log: http://localhost:8080/log"""
    )


def test_task_failed_in_a_rollback_is_not_called_a_training():
    message = messages.task_failed(FailedTask("roll_back", "disk full", work="Rollback"))
    assert message.title == "❌ Regime Detection Model Rollback Failed"


def test_task_failed_without_remedy_still_says_what_to_do():
    message = messages.task_failed(FailedTask("deploy_model", "disk full"))
    assert message.text.endswith(
        "Error: disk full\n\nPlease read the task's log, remove the cause and retry."
    )


def test_task_failed_with_endless_error_cuts_it_at_a_word():
    line = messages.task_failed(FailedTask("train_model", "word " * 500)).lead[1]
    assert line.endswith("word…")
    assert len(line) <= len("Error: ") + 500


def test_data_rejected_with_many_rules_shows_twenty_and_counts_the_rest():
    failed = tuple(FailedRule(f"rule {n}", "a", "b") for n in range(33))
    text = messages.data_rejected(RejectedData(10, 300, failed)).text
    assert text.count("• rule") == 20
    assert "… and 13 more" in text


def test_message_within_limit_gives_up_details_and_keeps_contract_and_links():
    failed = tuple(FailedRule(f"rule {n}", "x" * 90, "🎯" * 90) for n in range(20))
    message = messages.data_rejected(RejectedData(250, 300, failed), LINKS)
    text = message.within(2000)
    assert text.startswith(REJECTED_CONTRACT)
    assert "• rule 0:" in text
    assert "\n… shortened\n\nRun: http" in text
    assert 1500 < len(text.encode("utf-16-le")) // 2 <= 2000


def test_message_within_tiny_limit_never_splits_a_character():
    text = messages.deployed(TrainingFacts(0.785, 450, COMPLETED)).within(2)
    assert text == "…"


def test_worker_killed_without_a_reason_still_says_what_to_do():
    lead = messages.worker_killed("train_model", " ").lead
    assert lead[:2] == ("Task: train_model", "Error: The task's process was killed")
    assert "clear the task to retry" in lead[3]


def test_run_timed_out_of_which_nothing_is_known_is_still_a_failure():
    message = messages.run_timed_out(None, None, {"Run": "http://a.b"})
    assert message.text.startswith(
        "❌ Regime Detection Model Training Failed\n\nTask: (the run)\n"
        "Error: The run took too long and was stopped\n\nPlease see in the log"
    )
    assert "more than 1.5 hours" in messages.run_timed_out("train_model", 1.5).lead[1]


def test_run_late_tells_the_deadline_in_utc():
    deadline = datetime(2026, 11, 22, 9, 0, tzinfo=timezone(timedelta(hours=3)))
    lead = messages.run_late(deadline, "running").lead
    assert lead[:2] == ("🕐 Expected by: 2026-11-22 06:00 UTC", "State: running")


@pytest.mark.parametrize(("p_value", "words"), [(0.05, "hardly chance"), (0.051, "may be chance")])
def test_difference_without_an_interval_is_told_with_its_chance(p_value, words):
    compared = Comparison(0.7, 0.75, 200, Significance(10, 20, p_value))
    facts = TrainingFacts(0.7, 450, COMPLETED, comparison=compared)
    assert messages.deployed(facts).details[1:] == (
        "Difference: -5.0 points.",
        (
            f"Only the candidate is right on 10 rows, only production on 20: {words} "
            f"(McNemar p = {p_value})."
        ),
    )


def test_endless_lead_is_shortened_at_a_word_and_keeps_every_line_and_link():
    reasons = tuple(f"reason {n} " + "word " * 90 for n in range(12))
    message = messages.not_deployed(TrainingFacts(0.62, 450, COMPLETED, reasons), LINKS)
    text = message.within(4096)
    assert len(text.encode("utf-16-le")) // 2 <= 4096
    assert "word…\nProduction model unchanged.\n\nRun: http" in text
