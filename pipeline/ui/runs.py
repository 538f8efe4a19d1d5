"""Runs that left no model, out of Airflow's database: rejected, failed, or still on their way."""

from typing import Any, Final

from airflow.models.dagrun import DagRun
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import select  # noqa: TID253 - the api-server has it

from pipeline.alerts import CAME_TO

_MOST: Final = 100
_RUNNING: Final = ("running", "it has not come to its end yet")
_SILENT: Final = (
    "failed",
    "its process was killed, it took too long, or somebody stopped it: the run's log says more",
)


def unfinished_runs(dag_id: str) -> list[dict[str, Any]]:
    """The newest runs of a DAG that did not succeed, as `models_page` takes them.

    Args:
        dag_id: the DAG.
    """
    with create_session(scoped=False) as session:
        runs = session.execute(
            select(DagRun.run_id, DagRun.state, DagRun.start_date)
            .where(DagRun.dag_id == dag_id, DagRun.state.in_(("failed", "running")))
            .order_by(DagRun.id.desc())
            .limit(_MOST)
        ).all()
        told = session.scalars(
            select(XComModel).where(
                XComModel.dag_id == dag_id,
                XComModel.key == CAME_TO,
                XComModel.run_id.in_([run_id for run_id, _, _ in runs]),
            )
        )
        reasons = {xcom.run_id: XComModel.deserialize_value(xcom) for xcom in told}
    return [
        _told(
            run_id, started, *(reasons.get(run_id, _SILENT) if state == "failed" else ("running",))
        )
        for run_id, state, started in runs
    ]


def _told(run_id: str, started: Any, outcome: str, why: str = "") -> dict[str, Any]:
    return {
        "run_id": run_id,
        "trained_at": started.isoformat() if started else None,
        "outcome": outcome,
        "reasons": [why] if why else [],
    }
