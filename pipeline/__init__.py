"""The edge to Airflow: settings, connection, alerts. Only this package, dags/ and plugins/ import Airflow."""
