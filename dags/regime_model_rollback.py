"""Makes a former regime model production again: list the backups, roll back, tell.

Wiring only. Without any input the newest backup comes back; what it replaces is kept.
"""

from datetime import timedelta

from airflow.sdk import Param, dag, task

from pipeline.alerts import tell_of_failed_run, tell_of_failed_task
from pipeline.dag_defaults import MODEL, RETRIES
from pipeline.settings import read_settings
from pipeline.ui.addresses import links_of_task
from pipeline.ui.explained import explained


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    default_args={
        **RETRIES,
        "execution_timeout": timedelta(minutes=20),
        "on_failure_callback": tell_of_failed_task,
    },
    on_failure_callback=tell_of_failed_run,
    params={
        "to": Param(
            None,
            type=["null", "string"],
            title="Backup",
            description="Name of a folder in backups/. Empty: the newest that is sound.",
        ),
        "why": Param(
            None,
            type=["null", "string"],
            title="Why",
            description="Shown wherever the hold is: no run replaces the model until a person "
            "approves one.",
        ),
    },
    tags=["ml", "regime"],
)
def regime_model_rollback():
    @task
    def list_backups(params=None):
        """Shows production and its backups, and settles which one comes back."""
        from pipeline.tasks.roll_back import list_backups

        return list_backups(read_settings(), params["to"])

    @task(outlets=[MODEL])
    def roll_back(listed, params=None, dag_run=None, outlet_events=None):
        """Backs up the current model and puts the chosen one in its place."""
        from pipeline.tasks.roll_back import roll_back

        who = dag_run.triggering_user_name
        rolled = roll_back(read_settings(), listed["backup"], who, params["why"])
        outlet_events[MODEL].extra = rolled
        return rolled

    @task
    def notify_rollback(listed, rolled, ti=None):
        """Tells people which model is in production now."""
        from pipeline.tasks.roll_back import notify_rollback

        notify_rollback(listed, rolled, links_of_task(ti))

    listed = list_backups()
    notify_rollback(listed, roll_back(listed))


explained(regime_model_rollback())
