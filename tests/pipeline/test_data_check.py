"""`check_data` on the embedded ClickHouse: what the server says to the gate is what is raised."""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import Engine, text

from clickhouse.errors import ClickHouseRefused
from expectations.errors import DataRejected
from expectations.rules.drift import rules_of_drift
from expectations.rules.reference import Reference
from pipeline.settings import Settings, read_settings
from pipeline.tasks.check_data import check_data
from pipeline.ui.run_files import docs_of_run
from sample_market import MarketSpec, simulate
from sample_market.loading import insert
from tests.dags.small_models import small_candidates

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def small_model() -> bytes:
    """A real model file."""
    return small_candidates(1)[0].model


@pytest.fixture
def settings(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of a run on the embedded ClickHouse, with 1,200 labelled rows."""
    insert(engine, simulate(MarketSpec(rows=1200, labelled_share=1.0)))
    engine.dispose()
    connect(monkeypatch, engine)
    monkeypatch.setenv("AIRFLOW_VAR_DATA_DOCS_DIR", str(tmp_path / "docs"))
    monkeypatch.setenv("AIRFLOW_VAR_MODELS_DIR", str(tmp_path / "models"))
    return read_settings()


def connect(monkeypatch: pytest.MonkeyPatch, engine: Engine, **extra: object) -> None:
    given = {"conn_type": "chdb", "extra": {"path": engine.url.query["path"], **extra}}
    monkeypatch.setenv("AIRFLOW_CONN_CLICKHOUSE_DEFAULT", json.dumps(given))


def check(settings: Settings, run_id: str = "run") -> dict[str, Any]:
    return check_data(settings, run_id, datetime.now(UTC))


def test_refusal_of_a_query_of_the_gate_is_told_with_its_remedy(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, engine, max_rows_to_group_by=5)
    with pytest.raises(ClickHouseRefused, match=r"GROUP BY exceeded.*What to do: raise"):
        check(settings)


def test_converted_columns_are_told(
    settings: Settings, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with engine.connect() as connection:
        connection.execute(text("ALTER TABLE regime_features MODIFY COLUMN adx Float32"))
    engine.dispose()
    answer = check(settings)
    assert "Converted while freezing, without loss: adx Float32." in caplog.text
    page = Path(answer["report"]["page"]).read_text(encoding="utf-8")
    assert "Converted while freezing" in page and "adx Float32" in page


@pytest.mark.parametrize("run_id", ["..", ".", "...", "r" * 240])
def test_run_of_any_name_gets_a_page_below_the_site(settings: Settings, run_id: str) -> None:
    page = Path(check(settings, run_id)["report"]["page"])
    assert page.is_relative_to(settings.data_docs_dir / "validations")
    assert len(page.relative_to(settings.data_docs_dir).parts) == 5
    assert docs_of_run(run_id) == quote(page.relative_to(settings.data_docs_dir).as_posix())


METRICS = {
    "missing": None,
    "cut short": b'{"model_sha256": "',
    "of another model": b'{"model_sha256": "0"}',
    "without a profile": b"{}",
    "half a profile": b'{"profile": {"symbol_days": 3, "features": {"adx": {}}}}',
}


@pytest.mark.points
@pytest.mark.parametrize("content", METRICS.values(), ids=METRICS.keys())
@pytest.mark.parametrize("carried", [False, True])
def test_production_without_its_metrics_is_compared_by_its_file_or_warned_of(
    settings: Settings, small_model: bytes, content: bytes | None, carried: bool
) -> None:
    models = Path(settings.models_dir)
    models.mkdir()
    model = small_model if carried else b"production"
    (models / "regime_detector.onnx").write_bytes(model)
    if content is not None:
        (models / "regime_detector_metrics.json").write_bytes(content)
    if carried:  # the model is of another market, which the rules see
        with pytest.raises(DataRejected, match="size of features"):
            check(settings)
        return
    warnings = {rule["rule"]: rule["observed"] for rule in check(settings)["report"]["warnings"]}
    told = warnings["compared with production"]
    assert "its metrics" in told and "the file itself holds none" in told


def test_feature_that_production_knows_nothing_of_is_named() -> None:
    profile = {"edges": [1.0], "counts": [5, 5], "constant": False, "whole": False}
    reference = Reference.from_dict(
        {"symbol_days": 3, "regimes": {}, "features": {"adx": profile, "ema_9": profile}}
    )
    first = next(iter(rules_of_drift(reference, ("adx", "ema_9", "ema_21"), ("range",))))
    assert first.problem == "nothing is known there of ema_21"
