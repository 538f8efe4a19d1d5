"""Whether the weekly run came and came to its end, asked of Airflow through the task that watches.

A run that failed has told so itself, and one that waits for a person has asked.
"""

from datetime import datetime, timedelta
from typing import Final

from ml.watch.states import Finding
from pipeline.dag_defaults import TRAINING

EXPECTED_WITHIN: Final = timedelta(hours=6)
"""How long a run takes at most when nothing is wrong."""
_SUNDAY: Final = 6
_AT: Final = timedelta(hours=2)
_ENDED: Final = ["success", "failed"]
_AWAITING: Final = "awaiting_input"
_SILENT: Final = frozenset({None, "success", "skipped"})
"""States of tasks that a late run does not wait for."""


def due_run(now: datetime) -> datetime:
    """The newest Sunday, 02:00 UTC, whose run should be finished.

    >>> due_run(datetime(2026, 11, 29, 7, 59)), due_run(datetime(2026, 11, 29, 8))
    (datetime.datetime(2026, 11, 22, 2, 0), datetime.datetime(2026, 11, 29, 2, 0))
    """
    finished = now - EXPECTED_WITHIN - _AT
    sunday = finished - timedelta(days=(finished.weekday() - _SUNDAY) % 7)
    return sunday.replace(hour=0, minute=0, second=0, microsecond=0) + _AT


def judge_weekly_run(now: datetime, newest: datetime | None) -> list[Finding]:
    """What is wrong with the newest run that should be finished; nothing in an ordinary week.

    Args:
        now: with a time zone.
        newest: when the newest candidate was trained, by whichever run; None if there is none.
    """
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    due = due_run(now)
    run_id = f"scheduled__{due.isoformat()}"
    if not RuntimeTaskInstance.get_dr_count(TRAINING, logical_dates=[due]):
        if newest is None or newest >= due:
            return []
        words = f"the run of {due:%a %d %b %H:%M} UTC did not come"
        remedy = f"See that {TRAINING} is switched on and the scheduler is up"
        return [Finding("weekly run", "run", words, remedy)]
    if RuntimeTaskInstance.get_dr_count(TRAINING, logical_dates=[due], states=_ENDED):
        return []
    states = RuntimeTaskInstance.get_task_states(dag_id=TRAINING, run_ids=[run_id])
    tasks = states.get(run_id, {})
    if _AWAITING in tasks.values():
        return []
    begun = ", ".join(f"{task} {state}" for task, state in tasks.items() if state not in _SILENT)
    words = f"the run of {due:%a %d %b %H:%M} UTC is late: {begun or 'none of its tasks has begun'}"
    return [Finding("weekly run", "run", words, "See in Airflow what it waits for")]
