"""One message of each kind, made up: for trying channels out and for looking at the wording."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from notifications import messages
from notifications.message import Message, Picture

_AIRFLOW = "https://airflow.example.com/dags/regime_model_training/runs/scheduled__2024-11-28"
_LINKS = {
    "Run": _AIRFLOW,
    "Log": f"{_AIRFLOW}/tasks/train_model?try_number=1",
    "Data Docs": "https://airflow.example.com/data_docs/validations/check_data/run.html",
}
_COMPLETED = datetime(2024, 11, 28, 2, 15, tzinfo=UTC)
_COUNTS = {
    "trend_up": 92,
    "trend_down": 81,
    "range": 140,
    "breakout": 37,
    "volatile": 44,
    "accumulation": 31,
    "distribution": 25,
}
_GATE: dict[str, Any] = {
    "warnings": [],
    "classes": [
        {"regime": regime, "samples": samples, "missing": 0} for regime, samples in _COUNTS.items()
    ],
}


def sample_messages(pictures: Mapping[str, Picture] | None = None) -> dict[str, Message]:
    """The messages by name; `pictures` are those to go with them, by the same names."""
    made = {
        "deployed": messages.deployed(_better(), _GATE, _COMPLETED, _LINKS),
        "kept": messages.kept(_worse(), _GAPS, _COMPLETED, _LINKS),
        "waiting": messages.waiting(
            _better(),
            _GATE,
            datetime(2024, 12, 1, 2, 15, tzinfo=UTC),
            {"Approve or reject": _AIRFLOW},
        ),
        "rolled back": messages.rolled_back(_ROLLED_BACK, _COMPLETED, {"Run": _AIRFLOW}),
        "rejected": messages.rejected(_REJECTED, _LINKS),
        "failed": messages.failed("check_data", *_ERROR, _LINKS),
        "worker killed": messages.failed("train_model", *messages.killed("SIGKILL"), _LINKS),
        "run timed out": messages.failed("train_model", *messages.timed_out(84), _LINKS),
        "worrying": messages.watched(_WORRYING, {"Production": _AIRFLOW}),
        "well": messages.watched(_WELL, {"Production": _AIRFLOW}),
    }
    given = pictures or {}
    return {
        name: replace(message, pictures=(given[name],)) if name in given else message
        for name, message in made.items()
    }


def _better() -> dict[str, Any]:
    return _judged(
        (106, 15, 7, 0.134, (-0.014, 0.131)),
        "accuracy 78.5% reaches the floor of 65.0% (MIN_ACCURACY)",
        "accuracy 78.5% beats always naming the most frequent regime, 31.1%",
        "accuracy 78.5% is better than production's 72.6% on the same 135 rows",
    )


def _worse() -> dict[str, Any]:
    reason = "accuracy 71.1% is not better than production's 72.6% on the same 135 rows"
    return _judged((96, 7, 9, 0.804, (-0.082, 0.049)), reason)


def _judged(compared: tuple[Any, ...], *reasons: str) -> dict[str, Any]:
    """Metrics of a candidate with so many correct rows of 135, production having 98."""
    correct, only_candidate, only_production, p_value, interval = compared
    comparison = {
        "rows": 135,
        "candidate_accuracy": correct / 135,
        "production_accuracy": 98 / 135,
        "only_candidate_correct": only_candidate,
        "only_production_correct": only_production,
        "p_value": p_value,
        "difference_interval": interval,
    }
    told = {"reasons": reasons, "notes": (), "holdout_samples": 135, "comparison": comparison}
    numbers = {"test_accuracy": correct / 135, "total_samples": 450, "train_samples": 304}
    return {**numbers, "decision": told}


_WORRYING: dict[str, Any] = {
    "day": "2024-11-27",
    "worrying": [
        {
            "words": "SOLUSDT: no rows in 9 of 24 usual hours (from 15:00 UTC)",
            "remedy": "See what writes into regime_features",
        }
    ],
    "well": [],
    "besides": 0,
}
_WELL = {**_WORRYING, "worrying": [], "well": ["SOLUSDT, worrying since 2024-11-27"]}
_GAPS = {
    **_GATE,
    "warnings": [{"rule": "gaps in time", "observed": "13 days without a sample"}],
}
_REJECTED: dict[str, Any] = {
    "samples": 250,
    "missing": 50,
    "thresholds": {"min_samples": 300},
    "failed_rules": [
        {
            "rule": "labelled samples",
            "expected": "at least 300",
            "observed": "250",
            "rows": [],
        },
        {
            "rule": "class balance",
            "expected": "1% to 70% and 10 samples of each regime that occurs",
            "observed": "trend_up 185 (74.0%): more than 70.0% of all; breakout 4 (1.6%): fewer "
            "than 10",
            "rows": [],
        },
        {
            "rule": "possible adx",
            "expected": "0 to 100",
            "observed": "2 rows, such as symbol BTCUSDT, timestamp 2024-11-20 07:00:00, adx -3.2",
            "rows": [
                {"symbol": "BTCUSDT", "timestamp": "2024-11-20 07:00:00", "adx": -3.2},
                {"symbol": "ETHUSDT", "timestamp": "2024-11-21 11:00:00", "adx": 104.9},
            ],
        },
    ],
    "classes": [
        {"regime": "trend_up", "samples": 185, "missing": 0},
        {"regime": "trend_down", "samples": 31, "missing": 0},
        {"regime": "range", "samples": 30, "missing": 0},
        {"regime": "breakout", "samples": 4, "missing": 6},
    ],
    "remedies": [
        "Please label more data and retry.",
        "Please correct these rows in regime_features, then clear check_data.",
    ],
}
_ERROR = (
    "ClickHouse at native://clickhouse:9000/market cannot be reached: Connection refused.",
    "See that the server is up and that host, port and protocol of the Connection are right.",
)
_ROLLED_BACK = {
    "run_id": "scheduled__2024-11-21",
    "sha256": "3f1c9a5be0d7",
    "accuracy": 98 / 135,
    "changed": True,
    "backup": "backups/2024-11-28T021500Z_9c0e7712",
    "replaced": {"run_id": "scheduled__2024-11-28", "test_accuracy": 106 / 135},
}
