"""Runs of the real DAG through Airflow on an embedded ClickHouse."""

import logging
from pathlib import Path

import pytest

from tests.dags.home import Home, embedded_home, migrate_airflow


@pytest.fixture(scope="session")
def _airflow_database() -> None:
    migrate_airflow()


@pytest.fixture
def home(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Home:
    """A home with nothing in it yet."""
    caplog.set_level(logging.INFO)
    return embedded_home(tmp_path, monkeypatch, lambda: "".join((*capfd.readouterr(), caplog.text)))
