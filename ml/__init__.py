"""The model: from labelled rows to a file in production. Knows no Airflow and no chat."""
