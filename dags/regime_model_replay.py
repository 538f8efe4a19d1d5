"""Replays past Sundays on the labelled rows of today; production is not touched.

Wiring only. A run that was stopped goes on where it was when its task is cleared.
"""

from datetime import timedelta

from airflow.sdk import Param, dag, task

from pipeline.alerts import tell_of_failed_run, tell_of_failed_task
from pipeline.dag_defaults import RETRIES
from pipeline.settings import read_settings
from pipeline.thresholds import THRESHOLDS
from pipeline.ui.explained import explained


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(days=2),
    default_args={
        **RETRIES,
        "execution_timeout": timedelta(days=1),
        "on_failure_callback": tell_of_failed_task,
    },
    on_failure_callback=tell_of_failed_run,
    params={
        "weeks": Param(
            52,
            type="integer",
            minimum=1,
            maximum=520,
            title="Weeks",
            description="Sundays, the newest ones that have labelled rows.",
        ),
        "label_delay": Param(
            0,
            type="number",
            minimum=0,
            title="Label delay",
            description="Hours until a row has its label: a Sunday sees older rows only.",
        ),
        "answer": Param(
            "yes",
            enum=["yes", "no", "both"],
            title="Answer",
            description="What a person says where the rule asks one; both: one after the other.",
        ),
        "gate": Param(
            False,
            type="boolean",
            title="Run the data gate",
            description="On the rows of each Sunday, which takes longer.",
        ),
        **{name: threshold.param() for name, threshold in THRESHOLDS.items()},
    },
    tags=["ml", "regime"],
)
def regime_model_replay():
    @task
    def replay(run_id=None, params=None):
        """Trains, judges, deploys or keeps, Sunday by Sunday, and compares other rules."""
        from pipeline.tasks.replay import replay

        return replay(read_settings(params), run_id, params)

    replay()


explained(regime_model_replay())
