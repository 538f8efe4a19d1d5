"""The pages, links and texts that people see in the Airflow UI."""
