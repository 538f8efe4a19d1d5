"""Runs of the real DAG through Airflow on an embedded ClickHouse."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.dags.home import Home, embedded_home, listening_chat, migrate_airflow, small_market


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


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The messages that arrived at a configured channel."""
    with listening_chat(monkeypatch) as messages:
        yield messages


@pytest.fixture(scope="session")
def market() -> pd.DataFrame:
    """2,000 labelled samples of four symbols."""
    return small_market()
