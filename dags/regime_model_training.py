"""The weekly retraining of the market-regime model: check, train, validate, deploy or keep, tell.

Wiring only. What a task does is imported inside it, because Airflow parses this file all the time.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import TriggerRule, dag, task

from pipeline.alerts import tell_of_failed_run, tell_of_failed_task
from pipeline.dag_defaults import MODEL, RETRIES, weekly
from pipeline.settings import read_settings
from pipeline.tasks.approve_deployment import (
    APPROVAL_WAIT,
    ModelApproval,
    decision_of,
    former_place,
    on_doubt,
    release_hold,
    require_approval,
)
from pipeline.thresholds import THRESHOLDS
from pipeline.ui.addresses import links_of_task
from pipeline.ui.explained import explained


@dag(
    schedule=weekly("0 2 * * 0"),
    start_date=datetime(2024, 1, 7, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=12) + APPROVAL_WAIT,
    default_args={
        **RETRIES,
        "execution_timeout": timedelta(hours=4),
        "on_failure_callback": tell_of_failed_task,
    },
    on_failure_callback=tell_of_failed_run,
    params={
        "require_approval": require_approval(),
        "release_hold": release_hold(),
        **{name: threshold.param() for name, threshold in THRESHOLDS.items()},
    },
    tags=["ml", "regime"],
)
def regime_model_training():
    @task
    def check_data(run_id=None, dag_run=None, params=None):
        """Freezes the labelled rows and judges them with Great Expectations."""
        from pipeline.tasks.check_data import check_data

        return check_data(read_settings(params), run_id, dag_run.run_after)

    @task
    def train_model(checked, run_id=None, params=None):
        """Trains a Random Forest on the frozen rows and exports it to ONNX."""
        from pipeline.tasks.train_model import train_model

        return train_model(read_settings(params), run_id, checked["snapshot"])

    @task.branch(inlets=[MODEL])
    def validate_model(  # noqa: PLR0913, PLR0917 - Airflow hands them over by name
        checked, run_id=None, params=None, ti=None, dag_run=None, inlet_events=None
    ):
        """Decides on the holdout whether the candidate may replace production."""
        from pipeline.tasks.validate_model import lift_hold, validate_model

        settings = read_settings(params)
        if params["release_hold"]:
            lift_hold(settings, dag_run.triggering_user_name)
        decision = validate_model(
            settings,
            run_id,
            checked["snapshot"],
            on_doubt(settings, params, dag_run),
            former_place(inlet_events, dag_run),
        )
        ti.xcom_push(key="decision", value=decision)
        return "approve_deployment" if decision["deploy"] else "skip_deployment"

    @task(outlets=[MODEL])
    def deploy_model(trained, run_id=None, params=None, ti=None, outlet_events=None):
        """Backs up the current model and puts the candidate in its place."""
        from pipeline.tasks.deploy_model import deploy_model

        settings = read_settings(params)
        deployed = deploy_model(settings, run_id, trained, decision_of(ti))
        outlet_events[MODEL].extra = deployed
        return deployed

    @task(trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
    def skip_deployment(run_id=None, params=None, ti=None):
        """Keeps the production model and says why."""
        from pipeline.tasks.deploy_model import skip_deployment

        skip_deployment(read_settings(params), run_id, decision_of(ti))

    @task(trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
    def notify_success(trained, run_id=None, params=None, ti=None):
        """Tells people what became of the run."""
        from pipeline.tasks.notify_success import notify_success

        report = ti.xcom_pull(task_ids="check_data")["report"]
        links = links_of_task(ti, report["page"], "validate_model")
        settings = read_settings(params)
        notify_success(settings, run_id, report, trained, decision_of(ti), links)

    checked = check_data()
    trained = train_model(checked)
    verdict = validate_model(checked)
    approval = ModelApproval(
        task_id="approve_deployment", approved="deploy_model", rejected="skip_deployment"
    )
    skipped = skip_deployment()
    trained >> verdict >> approval >> [deploy_model(trained), skipped] >> notify_success(trained)
    verdict >> skipped


explained(regime_model_training())
