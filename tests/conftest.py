"""One throw-away Airflow home for the whole test run, set before anything imports Airflow."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from clickhouse.engine import open_engine
from clickhouse.schema import apply_schema

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


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An embedded engine with an empty `regime_features`."""
    engine = open_engine(f"clickhouse+chdb:///default?path={tmp_path / 'clickhouse'}")
    apply_schema(engine)
    yield engine
    engine.dispose()
