"""The texts people read, compared word for word."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from notifications import messages
from notifications.messages import watched
from tests.notifications.example_runs import (
    class_count,
    compared,
    failed_rule,
    gate_report,
    judged,
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
JUDGED_ON = "Trained on 350 of the samples, judged on the newest 90."

REJECTED_CONTRACT = """\
❌ Regime Detection Model Training Failed

Task: check_data
Error: Insufficient data quality
Samples: 250 (need 300+)

Please label more data and retry."""


def test_deployed_begins_with_the_contract():
    message = messages.deployed(judged(), gate_report(), COMPLETED)
    assert message.text == f"{DEPLOYED_CONTRACT}\n\n{JUDGED_ON}"
    assert message.kind == "deployed"


def test_deployed_with_everything_puts_details_and_known_links_below_the_contract():
    metrics = judged(
        reasons=("Accuracy 78.50% is at least 65.00%.",),
        comparison=compared(0.785, 0.74),
        notes=("3 rows left the comparison: production had seen them.",),
    )
    assert messages.deployed(metrics, gate_report(), COMPLETED, LINKS).text == (
        DEPLOYED_CONTRACT
        + """

⚠️ 3 rows left the comparison: production had seen them.
Trained on 350 of the samples, judged on the newest 90.
Compared on the same 90 rows: candidate 78.50%, production 74.00%.
Difference: +4.5 points.
Predicted correctly by the candidate alone: 15 rows, by production alone: 5: hardly chance \
(McNemar p = 0.04).
• Accuracy 78.50% is at least 65.00%.

Run: http://localhost:8080/dags/regime_model_training/runs/r1
Report: http://localhost:8080/report?run=r1&tab=1"""
    )


def test_not_deployed_with_two_reasons_names_both_in_one_sentence():
    metrics = judged(
        0.62,
        reasons=(
            "accuracy 62.00% is below the floor of 65.00%",
            "production reaches 64.00% on the same 90 rows.",
        ),
        comparison=compared(0.62, 0.64, 0.3),
    )
    assert (
        messages.kept(metrics, gate_report(), COMPLETED).text
        == """\
🎯 Regime Detection Model Training Complete

✅ Status: SUCCESS
📊 Test Accuracy: 62.0%
📈 Training Samples: 450
🕐 Completed: 2024-11-28 02:15 UTC

Model not deployed: accuracy 62.00% is below the floor of 65.00%; production reaches 64.00% on \
the same 90 rows.
Production model unchanged.

Trained on 350 of the samples, judged on the newest 90.
Compared on the same 90 rows: candidate 62.00%, production 64.00%.
Difference: -2.0 points.
Predicted correctly by the candidate alone: 15 rows, by production alone: 5: may be chance \
(McNemar p = 0.3)."""
    )


def test_approval_awaited_says_what_by_when_and_what_happens_without_an_answer():
    metrics = judged(
        reasons=("accuracy 78.50% reaches the floor of 65.00%",),
        comparison=compared(0.785, 0.74),
    )
    until = COMPLETED + timedelta(days=3)
    page = {"Approve or reject": "http://localhost:8080/x/required_actions"}
    assert (
        messages.waiting(metrics, gate_report(), until, page).text
        == """\
✋ Regime Detection Model Awaits Approval

📊 Test Accuracy: 78.5%
📈 Training Samples: 450
⏳ Answer by: 2024-12-01 02:15 UTC

Please approve or reject it in Airflow.
Without an answer, production keeps its model.

Trained on 350 of the samples, judged on the newest 90.
Compared on the same 90 rows: candidate 78.50%, production 74.00%.
Difference: +4.5 points.
Predicted correctly by the candidate alone: 15 rows, by production alone: 5: hardly chance \
(McNemar p = 0.04).
• accuracy 78.50% reaches the floor of 65.00%

Approve or reject: http://localhost:8080/x/required_actions"""
    )


def test_rolled_back_names_both_models_and_where_the_replaced_one_is_kept():
    rolled = {
        "run_id": "r1",
        "sha256": "0123456789abcdef",
        "accuracy": 0.74,
        "changed": True,
        "backup": "backups/2024-11-28T021500Z_fedcba98",
        "replaced": {"run_id": "r2", "test_accuracy": 0.785},
    }
    assert (
        messages.rolled_back(rolled, COMPLETED, {"Log": "http://localhost:8080/log"}).text
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
    rolled = {"run_id": "r1", "sha256": "0" * 64, "accuracy": None, "changed": False}
    text = messages.rolled_back(rolled, COMPLETED).text
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
    message = messages.deployed(judged(), gate_report(), completed)
    assert message.text.startswith(DEPLOYED_CONTRACT)


def test_data_rejected_with_too_few_samples_starts_with_the_contract():
    report = gate_report(
        250,
        (
            failed_rule("labelled samples", "at least 300", "250"),
            failed_rule("share of trend_up", "0.01 to 0.70", "0.74"),
        ),
        (class_count("trend_up", 185), class_count("breakout", 4, missing=6)),
    )
    assert messages.rejected(report, LINKS).text == (
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
    message = messages.rejected(gate_report(900))
    assert message.text == REJECTED_CONTRACT.replace("250", "900")


def test_task_failed_with_error_over_lines_tells_it_in_one():
    error, log = "ValueError:\n  no <rows> left", {"Log": "http://localhost:8080/log"}
    assert (
        messages.failed("train_model", error, "Widen the window.", log).text
        == """\
❌ Regime Detection Model Training Failed

Task: train_model
Error: ValueError: no <rows> left

Widen the window.

Log: http://localhost:8080/log"""
    )


def test_task_failed_in_a_rollback_is_not_called_a_training():
    message = messages.failed("roll_back", "disk full", work="Rollback")
    assert message.title == "❌ Regime Detection Model Rollback Failed"


def test_task_failed_without_remedy_still_says_what_to_do():
    message = messages.failed("deploy_model", "disk full")
    assert message.text.endswith(
        "Error: disk full\n\nPlease read the task's log, remove the cause and retry."
    )


def test_task_failed_with_endless_error_cuts_it_at_a_word():
    line = messages.failed("train_model", "word " * 500).lead[1]
    assert line.endswith("word…")
    assert len(line) <= len("Error: ") + 500


def test_data_rejected_with_many_rules_shows_twenty_and_counts_the_rest():
    failed = tuple(failed_rule(f"rule {n}", "a", "b") for n in range(33))
    text = messages.rejected(gate_report(10, failed)).text
    assert text.count("• rule") == 20
    assert "… and 13 more" in text


def test_message_within_limit_gives_up_details_and_keeps_contract_and_links():
    failed = tuple(failed_rule(f"rule {n}", "x" * 90, "🎯" * 90) for n in range(20))
    message = messages.rejected(gate_report(250, failed), LINKS)
    text = message.within(2000)
    assert text.startswith(REJECTED_CONTRACT)
    assert "• rule 0:" in text
    assert "\n… shortened\n\nRun: http" in text
    assert 1500 < len(text.encode("utf-16-le")) // 2 <= 2000


def test_message_within_tiny_limit_never_splits_a_character():
    text = messages.deployed(judged(), gate_report(), COMPLETED).within(2)
    assert text == "…"


def test_worker_killed_without_a_reason_still_says_what_to_do():
    lead = messages.failed("train_model", *messages.killed(" ")).lead
    assert lead[:2] == ("Task: train_model", "Error: The task's process was killed")
    assert "clear the task to retry" in lead[3]


def test_run_timed_out_of_which_nothing_is_known_is_still_a_failure():
    message = messages.failed("(the run)", *messages.timed_out(None))
    assert message.text.startswith(
        "❌ Regime Detection Model Training Failed\n\nTask: (the run)\n"
        "Error: The run took too long and was stopped\n\nPlease see in the log"
    )
    assert "more than 1.5 hours" in messages.timed_out(1.5)[0]


def test_watched_names_each_thing_and_each_remedy_once():
    seen = [{"words": words, "remedy": "See it"} for words in ("BTC: silent", "ETH: silent")]
    turn = {"day": "2026-11-27", "worrying": seen, "well": ["adx"], "besides": 2}
    message = watched(turn)
    assert message.kind == "worrying"
    told = ("⚠️ BTC: silent", "⚠️ ETH: silent", "See it.", "✅ well again: adx")
    assert message.lead == ("🕐 Day: 2026-11-27", "", *told, "", "Production model unchanged.")
    assert message.details == ("Worrying besides, and told before: 2.",)
    assert watched({**turn, "worrying": []}).kind == "well"


@pytest.mark.parametrize(("p_value", "words"), [(0.05, "hardly chance"), (0.051, "may be chance")])
def test_difference_without_an_interval_is_told_with_its_chance(p_value, words):
    metrics = judged(0.7, comparison=compared(0.7, 0.75, p_value))
    assert messages.deployed(metrics, gate_report(), COMPLETED).details[2:] == (
        "Difference: -5.0 points.",
        (
            "Predicted correctly by the candidate alone: 15 rows, by production alone: 5: "
            f"{words} (McNemar p = {p_value})."
        ),
    )


def test_endless_lead_is_shortened_at_a_word_and_keeps_every_line_and_link():
    reasons = tuple(f"reason {n} " + "word " * 90 for n in range(12))
    message = messages.kept(judged(0.62, reasons), gate_report(), COMPLETED, LINKS)
    text = message.within(4096)
    assert len(text.encode("utf-16-le")) // 2 <= 4096
    assert "word…\nProduction model unchanged.\n\nRun: http" in text


def test_complete_messages_say_what_more_labels_would_do():
    metrics = judged() | {"more_labels": "doubling the labels would gain less than a point"}
    told = messages.kept(metrics, gate_report(), COMPLETED).text

    assert "\nMore labels: doubling the labels would gain less than a point." in told
