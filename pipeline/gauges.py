"""The pipeline's own numbers among Airflow's metrics, by StatsD or OpenTelemetry as Airflow is set.

Without either, nothing is sent. docs/operations.md has an alert rule for each.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from airflow.sdk.observability import stats

from ml.errors import decoration

LABELLED_ROWS: Final = "regime_model.labelled_rows"
GATE_PASSED: Final = "regime_model.gate_passed"
ACCURACY: Final = "regime_model.accuracy"
DEPLOYED_AT: Final = "regime_model.deployed_at"
WORRYING: Final = "regime_model.worrying"
WATCHED_AT: Final = "regime_model.watched_at"
MISSING: Final = "regime_model.missing_share"
UNCHANGED: Final = "regime_model.unchanged_over_usual"


@decoration("A gauge of the data")
def tell_of_data(labelled_rows: int, passed: bool) -> None:
    """Says how many samples the data gate found, and (1 or 0) whether every critical rule held."""
    stats.gauge(LABELLED_ROWS, labelled_rows)
    stats.gauge(GATE_PASSED, int(passed))


@decoration("A gauge of production")
def tell_of_production(accuracy: float | None, deployed_at: str | None) -> None:
    """Says how good the model in production is, and since when it is there.

    A moment, ISO 8601, and not an age: one that is told once a week would stand still in between.
    """
    if accuracy is not None:
        stats.gauge(ACCURACY, accuracy)
    if deployed_at is not None:
        stats.gauge(DEPLOYED_AT, int(datetime.fromisoformat(deployed_at).timestamp()))


@decoration("A gauge of the watch")
def tell_of_watch(worrying: int, now: datetime, features: Mapping[str, Mapping[str, Any]]) -> None:
    """Says how many things worry, and when, in seconds since 1970, that was last looked at.

    Of the `features`' freshness on the newest day it tells the worst.
    """
    stats.gauge(WORRYING, worrying)
    stats.gauge(WATCHED_AT, int(now.timestamp()))
    if features:
        stats.gauge(MISSING, max(of["missing"] for of in features.values()))
    longer = [of["still"] / of["usual"] for of in features.values() if of["usual"]]
    if longer:
        stats.gauge(UNCHANGED, max(longer))
