"""Which failures a retry may cure.

A server that is down comes back; bad data, a bad setting, a broken candidate or an incomplete
installation do not get better by waiting, so they fail at once. Whatever is not listed is retried.
"""

from datetime import timedelta
from typing import Any, Final

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

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
