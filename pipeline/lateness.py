"""An alert for a run that is not finished when it should be; the run goes on.

Airflow watches the clock and calls this in its triggerer, so it comes also when no worker is left.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from airflow.sdk import (  # type: ignore[attr-defined] # its stub lacks them
    AsyncCallback,
    DeadlineAlert,
    DeadlineReference,
)

log = logging.getLogger(__name__)

EXPECTED_WITHIN: Final = timedelta(hours=6)
"""How long a run takes at most when nothing is wrong, from the time it is for."""
_ENDED: Final = frozenset({"success", "failed"})
_AWAITING: Final = "awaiting_input"
_SILENT: Final = frozenset({None, "success", "skipped"})
"""States of tasks that a late run does not wait for."""


def expect_within(limit: timedelta) -> DeadlineAlert:
    """Alerts when a run of the DAG is not finished in time.

    Args:
        limit: from the logical date of the run; one without, started by hand, is nobody's duty.
    """
    return DeadlineAlert(
        # With DAGRUN_QUEUED_AT, Airflow 3.3.2 cannot clear a task any more (error 500).
        reference=DeadlineReference.DAGRUN_LOGICAL_DATE,
        interval=limit,
        callback=AsyncCallback(tell_of_late_run),
    )


async def tell_of_late_run(context: Mapping[str, Any]) -> None:
    """Sends the message, unless the run has ended or waits for a person: that has been told.

    Args:
        context: Airflow's, with `dag_run` and `deadline` as dictionaries.
    """
    await asyncio.to_thread(_tell, context)


def _tell(context: Mapping[str, Any]) -> None:
    # Airflow's parts that only import the DAG need none of it.
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    from notifications.messages import run_late
    from pipeline.alerts import tell
    from pipeline.links import links_of_run

    dag_id, run_id = context["dag_run"]["dag_id"], context["dag_run"]["dag_run_id"]
    if context["dag_run"]["state"] in _ENDED:  # Airflow keeps the deadline of a failed run
        return
    states = RuntimeTaskInstance.get_task_states(dag_id=dag_id, run_ids=[run_id]).get(run_id, {})
    if _AWAITING in states.values():
        log.info("Run %s is late and waits for a person, who has been told.", run_id)
        return
    deadline = context["deadline"]["deadline_time"]
    if isinstance(deadline, str):
        deadline = datetime.fromisoformat(deadline)
    begun = [f"{task} {state}" for task, state in states.items() if state not in _SILENT]
    state = ", ".join(begun) or context["dag_run"]["state"]
    tell(run_late(deadline, state, links_of_run(dag_id, run_id)))
