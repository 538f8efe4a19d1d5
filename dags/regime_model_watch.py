"""Watches the model that trades, and what it is fed, every day between two weekly runs.

Wiring only. The asset it may tell of, once a week at most, is for a training that listens to it.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import dag, task

from pipeline.alerts import tell_of_failed_run, tell_of_failed_task
from pipeline.dag_defaults import RETRIES, WATCHED, WORRYING
from pipeline.settings import read_settings
from pipeline.ui.addresses import links_of_task
from pipeline.ui.explained import explained


@dag(
    schedule="0 1 * * *",
    start_date=datetime(2024, 1, 7, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=12),
    default_args={
        **RETRIES,
        "execution_timeout": timedelta(hours=4),
        "on_failure_callback": tell_of_failed_task,
    },
    on_failure_callback=tell_of_failed_run,
    tags=["ml", "regime"],
)
def regime_model_watch():
    @task(outlets=[WATCHED])
    def watch_model(ti=None, outlet_events=None):
        """Looks at the rows of each new day, labelled or not, and tells what has turned."""
        from pipeline.tasks.watch_model import watch_model

        found = watch_model(read_settings(), links_of_task(ti))
        if found["wants_training"]:
            outlet_events[WATCHED].add(WORRYING, extra=found)
        return found

    watch_model()


explained(regime_model_watch())
