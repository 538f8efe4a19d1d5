"""Makes a former regime model production again: list the backups, choose, roll back, tell.

Wiring only. Without any input the newest backup comes back; what it replaces is kept.
"""

from datetime import timedelta

from airflow.sdk import dag, task

from pipeline.alerts import tell_of_failed_run, tell_of_failed_task
from pipeline.backup_choice import CHOICE_WAIT, BackupChoice, rollback_form
from pipeline.explained import explained
from pipeline.links import links_of_task
from pipeline.model_asset import MODEL
from pipeline.retries import RETRIES
from pipeline.settings import read_settings


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
        from pipeline import model_rollback

        return model_rollback.list_backups(read_settings())

    @task(outlets=[MODEL])
    def roll_back(backup, params=None, dag_run=None, outlet_events=None):
        """Backs up the current model and puts the chosen one in its place."""
        from pipeline import model_rollback

        who = dag_run.triggering_user_name
        rolled = model_rollback.roll_back(read_settings(), backup, who, params["why"])
        outlet_events[MODEL].extra = rolled
        return rolled

    @task
    def notify_rollback(listed, rolled, ti=None):
        """Tells people which model is in production now."""
        from pipeline import model_rollback

        model_rollback.notify_rollback(listed, rolled, links_of_task(ti))

    listed = list_backups()
    choice = BackupChoice(task_id="choose_backup")
    listed >> choice
    notify_rollback(listed, roll_back(choice.output))


explained(regime_model_rollback())
