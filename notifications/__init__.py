"""Messages: facts in, delivered texts out. Knows no model, no database and no Airflow."""
