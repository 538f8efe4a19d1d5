"""`check_data` on the embedded ClickHouse: what the server says to the gate is what is raised."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from clickhouse.errors import ClickHouseRefused
from pipeline.data_check import check_data
from pipeline.settings import read_settings
from sample_market import MarketSpec, simulate
from sample_market.loading import insert


def test_refusal_of_a_query_of_the_gate_is_told_with_its_remedy(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(engine, simulate(MarketSpec(rows=1200, labelled_share=1.0)))
    engine.dispose()
    extra = {"path": engine.url.query["path"], "max_rows_to_group_by": 5}
    connection = json.dumps({"conn_type": "chdb", "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_CLICKHOUSE_DEFAULT", connection)
    monkeypatch.setenv("AIRFLOW_VAR_DATA_DOCS_DIR", str(tmp_path / "docs"))
    monkeypatch.setenv("AIRFLOW_VAR_MODELS_DIR", str(tmp_path / "models"))
    with pytest.raises(ClickHouseRefused, match=r"GROUP BY exceeded.*What to do: raise"):
        check_data(read_settings(), "run", datetime.now(UTC))
