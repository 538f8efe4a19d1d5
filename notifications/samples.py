"""One message of each kind, made up: for trying channels out and for looking at the wording."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

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
from notifications.message import Message, Picture

_AIRFLOW = "https://airflow.example.com/dags/regime_model_training/runs/scheduled__2024-11-28"
_LINKS = {
    "Run": _AIRFLOW,
    "Log": f"{_AIRFLOW}/tasks/train_model?try_number=1",
    "Data Docs": "https://airflow.example.com/data_docs/validations/check_data/run.html",
}
_COMPLETED = datetime(2024, 11, 28, 2, 15, tzinfo=UTC)
_REGIMES = (
    RegimeCount("trend_up", 92),
    RegimeCount("trend_down", 81),
    RegimeCount("range", 140),
    RegimeCount("breakout", 37),
    RegimeCount("volatile", 44),
    RegimeCount("accumulation", 31),
    RegimeCount("distribution", 25),
)


def sample_messages(pictures: Mapping[str, Picture] | None = None) -> dict[str, Message]:
    """The messages by name; `pictures` are those to go with them, by the same names."""
    made = {
        "deployed": messages.deployed(_better(), _LINKS),
        "not deployed": messages.not_deployed(_worse(), _LINKS),
        "approval awaited": messages.approval_awaited(
            _better(), datetime(2024, 12, 1, 2, 15, tzinfo=UTC), {"Approve or reject": _AIRFLOW}
        ),
        "rolled back": messages.rolled_back(_rollback(), {"Run": _AIRFLOW}),
        "data rejected": messages.data_rejected(_rejected(), _LINKS),
        "task failed": messages.task_failed(_failed(), _LINKS),
        "worker killed": messages.worker_killed("train_model", "SIGKILL", _LINKS),
        "run timed out": messages.run_timed_out("train_model", 84, _LINKS),
        "run late": messages.run_late(
            datetime(2024, 11, 28, 6, 0, tzinfo=UTC), "running", {"Run": _AIRFLOW}
        ),
    }
    given = pictures or {}
    return {
        name: replace(message, pictures=(given[name],)) if name in given else message
        for name, message in made.items()
    }


def _better() -> TrainingFacts:
    return TrainingFacts(
        test_accuracy=106 / 135,
        samples=450,
        trained=304,
        judged=135,
        completed=_COMPLETED,
        reasons=(
            "accuracy 78.5% reaches the floor of 65.0% (MIN_ACCURACY)",
            "accuracy 78.5% beats always naming the most frequent regime, 31.1%",
            "accuracy 78.5% is better than production's 72.6% on the same 135 rows",
        ),
        comparison=Comparison(
            106 / 135, 98 / 135, 135, Significance(15, 7, 0.134, (-0.014, 0.131))
        ),
        regimes=_REGIMES,
    )


def _worse() -> TrainingFacts:
    return TrainingFacts(
        test_accuracy=96 / 135,
        samples=450,
        trained=304,
        judged=135,
        completed=_COMPLETED,
        reasons=("accuracy 71.1% is not better than production's 72.6% on the same 135 rows",),
        comparison=Comparison(96 / 135, 98 / 135, 135, Significance(7, 9, 0.804, (-0.082, 0.049))),
        notes=("gaps in time: 13 days without a sample",),
        regimes=_REGIMES,
    )


def _rejected() -> RejectedData:
    return RejectedData(
        samples=250,
        needed=300,
        failed=(
            FailedRule("labelled samples", "at least 300", "250"),
            FailedRule(
                "class balance",
                "1% to 70% and 10 samples of each regime that occurs",
                "trend_up 185 (74.0%): more than 70.0% of all; breakout 4 (1.6%): fewer than 10",
            ),
            FailedRule(
                "adx from 0 to 100",
                "every row",
                "2 of 250 rows",
                (
                    "symbol BTCUSDT, timestamp 2024-11-20 07:00:00, adx -3.2",
                    "symbol ETHUSDT, timestamp 2024-11-21 11:00:00, adx 104.9",
                ),
            ),
        ),
        regimes=(
            RegimeCount("trend_up", 185),
            RegimeCount("trend_down", 31),
            RegimeCount("range", 30),
            RegimeCount("breakout", 4, missing=6),
        ),
        remedies=(
            "Please label more data and retry.",
            "Please correct these rows in regime_features, then clear check_data.",
        ),
        missing=50,
    )


def _failed() -> FailedTask:
    return FailedTask(
        "check_data",
        "ClickHouse at native://clickhouse:9000/market cannot be reached: Connection refused.",
        "See that the server is up and that host, port and protocol of the Connection are right.",
    )


def _rollback() -> RollbackFacts:
    return RollbackFacts(
        run_id="scheduled__2024-11-21",
        sha256="3f1c9a5be0d7",
        accuracy=98 / 135,
        completed=_COMPLETED,
        replaced_run_id="scheduled__2024-11-28",
        replaced_accuracy=106 / 135,
        kept="backups/2024-11-28T021500Z_9c0e7712",
    )
