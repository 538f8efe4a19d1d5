"""The data gate: which rules there are, and what they say. Knows no model, no chat, no Airflow."""
