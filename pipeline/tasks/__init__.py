"""What each task does, one module a task id. Heavy imports are here, and not in the DAG files."""
