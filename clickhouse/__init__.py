"""Engines, frozen tables and their rows in ClickHouse. Knows no model, no rule and no Airflow."""
