"""A sample market in an embedded ClickHouse, frozen, to be spoiled by the tests."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import Engine

from clickhouse.snapshot import freeze
from expectations.gate import FrozenTable, run_gate
from expectations.report import GateReport
from expectations.suite import Contract
from expectations.thresholds import Thresholds
from ml.contract import FEATURES
from pipeline.tasks.check_data import CONTRACT
from sample_market import MarketSpec, simulate
from sample_market.loading import insert
from tests.expectations.frozen_market import FrozenMarket, open_market

Judge = Callable[..., GateReport]


@pytest.fixture(scope="session")
def good_market() -> pd.DataFrame:
    """1,200 labelled samples of all seven regimes."""
    return simulate(MarketSpec(rows=3600, seed=1))


@pytest.fixture
def judge(engine: Engine, tmp_path: Path) -> Judge:
    """Loads a market, freezes it and runs the gate on it."""

    def run(
        market: pd.DataFrame,
        run_id: str = "manual__2026-11-22T02:00:00+00:00",
        contract: Contract = CONTRACT,
        **bounds: object,
    ) -> GateReport:
        insert(engine, market)
        snapshot = freeze(engine, run_id, FEATURES)
        frozen = FrozenTable(snapshot.database, snapshot.table, run_id, datetime.now(UTC))
        thresholds = replace(Thresholds(), **bounds)  # type: ignore[arg-type]
        return run_gate(engine, frozen, contract, thresholds, tmp_path / "docs")

    return run


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrozenMarket]:
    """The good market, frozen once for a module; chDB holds one folder at a time."""
    with open_market(tmp_path_factory.mktemp("market")) as opened:
        yield opened
