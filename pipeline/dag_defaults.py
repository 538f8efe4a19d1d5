"""What the DAGs share: their ids, the asset, and which failures a retry may cure.

A server that is down comes back; bad data, a bad setting, a broken candidate or an incomplete
installation do not get better by waiting, so they fail at once. Whatever is not listed is retried.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

from airflow.sdk import (
    Asset,
    AssetAlias,
    AssetOrTimeSchedule,
    CronTriggerTimetable,
    ExceptionRetryPolicy,
    RetryAction,
    RetryRule,
)

TRAINING: Final = "regime_model_training"
ROLLBACK: Final = "regime_model_rollback"
WATCH: Final = "regime_model_watch"
REPLAY: Final = "regime_model_replay"
MODEL: Final = Asset("regime_model", group="models")
"""Whoever schedules on it hears of every change of production."""
WORRYING: Final = Asset("regime_model_worrying", group="models")
"""Whoever schedules on it hears, once a week at most, that a new model may be better."""
WATCHED: Final = AssetAlias("regime_model_watch")
"""What the watch declares: a task tells of the asset itself only when it worries."""
TRAIN_WHEN_WORRYING: Final = "TRAIN_WHEN_WORRYING"
"""A variable of the environment, for a schedule is settled when the DAG's file is parsed."""


def weekly(cron: str) -> Any:
    """The schedule of training: in UTC and, if the environment says so, when the watch worries."""
    if os.environ.get(TRAIN_WHEN_WORRYING) != "1":
        return cron
    timetable = CronTriggerTimetable(cron, timezone="UTC")
    return AssetOrTimeSchedule(timetable=timetable, assets=[WORRYING])


PERMANENT_FAILURES: Final = (
    "builtins.AttributeError",
    "builtins.ImportError",
    "builtins.NameError",
    "builtins.TypeError",
    "clickhouse.errors.ClickHouseRefused",
    "clickhouse.errors.SnapshotChanged",
    "expectations.errors.DataRejected",
    "ml.errors.ModelError",
    "pipeline.connection.ConnectionProblem",
    "pipeline.thresholds.SettingError",
)

RETRIES: Final[dict[str, Any]] = {
    "owner": "ml",
    "show_return_value_in_logs": False,
    "retries": 3,
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=30),
    "retry_policy": ExceptionRetryPolicy(
        rules=[
            RetryRule(
                exception=list(PERMANENT_FAILURES),
                action=RetryAction.FAIL,
                reason="retrying cannot help",
            )
        ]
    ),
}
"""Arguments of every task."""


@contextmanager
def log_group(log: logging.Logger, title: str) -> Iterator[None]:
    """Folds what is logged inside the block under a title."""
    log.info("::group::%s", title)
    try:
        yield
    finally:
        log.info("::endgroup::")
