"""The least a DAG can be: one task that does nothing."""

from datetime import UTC, datetime

from airflow.sdk import dag, task


@dag(schedule=None, start_date=datetime(2024, 1, 7, tzinfo=UTC))
def hello_world():
    @task
    def hello():
        """Does nothing."""

    hello()


hello_world()
