"""One throw-away Airflow home for the whole test run, set before anything imports Airflow."""

import os
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
HOME = tempfile.mkdtemp(prefix="airflow-")

for name in [name for name in os.environ if name.startswith(("AIRFLOW_VAR_", "AIRFLOW_CONN_"))]:
    del os.environ[name]
os.environ |= {
    "AIRFLOW_HOME": HOME,
    "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    "PYTHONPATH": str(REPOSITORY),
}
