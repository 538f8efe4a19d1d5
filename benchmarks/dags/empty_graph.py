"""The graph of `regime_model_training` with tasks that do nothing."""

from datetime import UTC, datetime

from airflow.sdk import TriggerRule, dag, task


@dag(schedule=None, start_date=datetime(2024, 1, 7, tzinfo=UTC))
def empty_graph():
    @task
    def check_data():
        return {}

    @task
    def train_model(checked):
        return {}

    @task.branch
    def validate_model(checked):
        return "approve_deployment"

    @task
    def approve_deployment():
        pass

    @task
    def deploy_model(trained):
        return {}

    @task(trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
    def skip_deployment():
        pass

    @task(trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
    def notify_success(trained):
        pass

    checked = check_data()
    trained = train_model(checked)
    verdict = validate_model(checked)
    approval = approve_deployment()
    skipped = skip_deployment()
    trained >> verdict >> approval >> [deploy_model(trained), skipped] >> notify_success(trained)
    verdict >> skipped


empty_graph()
