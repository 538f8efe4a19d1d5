"""Makes a former regime model production again: list the backups, choose, roll back, tell.

Wiring only. Without any input the newest backup comes back; what it replaces is kept.
"""

from datetime import timedelta

from airflow.sdk import dag, task

from pipeline.alerts import tell_of_failed_run, tell_of_failed_task
from pipeline.dag_defaults import MODEL, RETRIES
from pipeline.settings import read_settings
from pipeline.tasks.choose_backup import CHOICE_WAIT, BackupChoice, rollback_form
from pipeline.ui.addresses import links_of_task
from pipeline.ui.explained import explained


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2) + CHOICE_WAIT,
    default_args={
        **RETRIES,
        "owner": "ml",
        "execution_timeout": timedelta(minutes=20),
        "on_failure_callback": tell_of_failed_task,
        "show_return_value_in_logs": False,
    },
    on_failure_callback=tell_of_failed_run,
    params=rollback_form(),
    tags=["ml", "regime"],
)
def regime_model_rollback():
    @task
    def list_backups():
        """Shows production and its backups, and hands the list on."""
        from pipeline.tasks.roll_back import list_backups

        return list_backups(read_settings())

    @task(outlets=[MODEL])
    def roll_back(backup, params=None, dag_run=None, outlet_events=None):
        """Backs up the current model and puts the chosen one in its place."""
        from pipeline.tasks.roll_back import roll_back

        who = dag_run.triggering_user_name
        rolled = roll_back(read_settings(), backup, who, params["why"])
        outlet_events[MODEL].extra = rolled
        return rolled

    @task
    def notify_rollback(listed, rolled, ti=None):
        """Tells people which model is in production now."""
        from pipeline.tasks.roll_back import notify_rollback

        notify_rollback(listed, rolled, links_of_task(ti))

    listed = list_backups()
    choice = BackupChoice(task_id="choose_backup")
    listed >> choice
    notify_rollback(listed, roll_back(choice.output))


explained(regime_model_rollback())
