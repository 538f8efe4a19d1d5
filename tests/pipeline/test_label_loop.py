"""The loop closes: few labels are refused, the list's rows are labelled, and a model goes live."""

import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from clickhouse.label_import import import_labels
from expectations.errors import DataRejected
from ml.training.forest import TrainingOptions
from pipeline.label_next import LIST_FILE
from pipeline.settings import read_settings
from pipeline.tasks.check_data import check_data
from pipeline.tasks.train_model import train_model
from pipeline.tasks.validate_model import validate_model
from sample_market.loading import insert
from sample_market.market import simulate
from sample_market.spec import MarketSpec
from tests.pipeline.test_data_check import connect

pytestmark = pytest.mark.slow


def test_refused_labels_and_the_lists_rows_come_to_a_deployment(
    engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = simulate(MarketSpec(rows=16_000, labelled_share=1.0, seed=4))
    stretch = truth.index[truth["symbol"] == "ETHUSDT"][1_000:1_120]
    known = truth["regime_label"].where(truth.index.isin(stretch), "")
    insert(engine, truth.assign(regime_label=known))
    engine.dispose()
    connect(monkeypatch, engine)
    monkeypatch.setenv("AIRFLOW_VAR_DATA_DOCS_DIR", str(tmp_path / "docs"))
    monkeypatch.setenv("AIRFLOW_VAR_MODELS_DIR", str(tmp_path / "models"))
    small = partial(TrainingOptions, trees=40, cv_trees=8)
    monkeypatch.setattr("pipeline.tasks.train_model.TrainingOptions", small)
    settings = read_settings()
    regime = truth.set_index(["symbol", "timestamp"])["regime_label"]
    outcomes = []
    for turn in range(8):
        outcomes.append(_run(settings, f"run {turn}"))
        if outcomes[-1] == "deploy":
            break
        _label(engine, tmp_path / "docs" / LIST_FILE, regime)
    # 120 labels, and 300 at the earliest after four rounds.
    assert outcomes[:4] == ["rejected"] * 4
    assert outcomes[-1] == "deploy", outcomes


def _run(settings, run_id: str) -> str:
    try:
        checked = check_data(settings, run_id, datetime.now(UTC))
    except DataRejected as rejected:
        told = [note.startswith("Label next: 50 rows") for note in rejected.__notes__]
        return "rejected" if any(told) else "rejected without a list"
    train_model(settings, run_id, checked["snapshot"])
    decision = validate_model(settings, run_id, checked["snapshot"], "keep")
    return "deploy" if decision["deploy"] else "kept"


def _label(engine, listed: Path, regime: pd.Series) -> None:
    """A person who knows the simulation's truth labels the whole list."""
    rows = json.loads(listed.read_text(encoding="utf-8"))["rows"]
    labels = {}
    for row in rows:
        moment = datetime.fromisoformat(row["timestamp"])
        truth = regime[row["symbol"], moment.replace(tzinfo=None)]
        labels[row["symbol"], int(moment.timestamp())] = str(truth)
    import_labels(engine, labels)
    engine.dispose()
