"""An alert for a run that is not finished when it should be; the run goes on.

Airflow watches the clock and calls this in its triggerer, so it comes also when no worker is left.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from airflow.sdk import (  # type: ignore[attr-defined] # its stub lacks three of them
    DAG,
    AsyncCallback,
    DeadlineAlert,
    DeadlineReference,
)

log = logging.getLogger(__name__)

EXPECTED_WITHIN: Final = timedelta(hours=6)
"""How long a run takes at most when nothing is wrong, from the moment it is queued."""
_ENDED: Final = frozenset({"success", "failed"})
_AWAITING: Final = "awaiting_input"
_SILENT: Final = frozenset({None, "success", "skipped"})
"""States of tasks that a late run does not wait for."""


def expect_within(limit: timedelta, dag: DAG) -> DAG:
    """Alerts when a run of the DAG is not finished in time.

    Args:
        limit: from the moment a run is queued; one without a logical date is nobody's duty.
        dag: gets the deadline.
    """
    # With DAGRUN_QUEUED_AT, Airflow 3.3.2 cannot clear a task any more (error 500).
    deadline = DeadlineAlert(
        reference=DeadlineReference.DAGRUN_LOGICAL_DATE,
        interval=limit,
        callback=AsyncCallback(tell_of_late_run, kwargs={"limit": limit.total_seconds()}),
    )
    run_at_once = dag.test

    def test(*args: Any, **kwargs: Any) -> Any:
        dag.deadline = None
        try:
            return run_at_once(*args, **kwargs)
        finally:
            dag.deadline = [deadline]

    # `airflow dags test` of Airflow 3.3.2 ends with an error if the DAG has a deadline.
    dag.test = test  # type: ignore[method-assign]
    dag.deadline = [deadline]
    return dag


async def tell_of_late_run(limit: float, context: Mapping[str, Any]) -> None:
    """Sends the message, unless the run has ended or waits for a person: that has been told.

    Args:
        limit: how long a run takes at most, in seconds.
        context: Airflow's, with `dag_run` and `deadline` as dictionaries.
    """
    run = context["dag_run"]
    # A run for last Sunday, such as the first of a DAG that is switched on, has its time as well.
    due = datetime.fromisoformat(run["queued_at"]) + timedelta(seconds=limit)
    await asyncio.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds()))
    await asyncio.to_thread(_tell, run["dag_id"], run["dag_run_id"], due)


def _tell(dag_id: str, run_id: str, due: datetime) -> None:
    # Airflow's parts that only import the DAG need none of it.
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    from notifications.messages import late
    from pipeline.alerts import tell
    from pipeline.ui.addresses import links_of_run

    # Airflow keeps the deadline of a failed run.
    state = RuntimeTaskInstance.get_dagrun_state(dag_id, run_id)
    if state in _ENDED:
        return
    states = RuntimeTaskInstance.get_task_states(dag_id=dag_id, run_ids=[run_id]).get(run_id, {})
    if _AWAITING in states.values():
        log.info("Run %s is late and waits for a person, who has been told.", run_id)
        return
    begun = [f"{task} {state}" for task, state in states.items() if state not in _SILENT]
    tell(late(due, ", ".join(begun) or state, links_of_run(dag_id, run_id)))
