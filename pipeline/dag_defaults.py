"""What the DAGs share: their ids, the asset, and which failures a retry may cure.

A server that is down comes back; bad data, a bad setting, a broken candidate or an incomplete
installation do not get better by waiting, so they fail at once. Whatever is not listed is retried.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

from airflow.sdk import Asset, ExceptionRetryPolicy, RetryAction, RetryRule

TRAINING: Final = "regime_model_training"
ROLLBACK: Final = "regime_model_rollback"
MODEL: Final = Asset("regime_model", group="models")
"""Whoever schedules on it hears of every change of production."""

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
    """Folds what is logged inside the block under a title.

    Args:
        log: where to.
        title: what is seen of it.
    """
    log.info("::group::%s", title)
    try:
        yield
    finally:
        log.info("::endgroup::")
