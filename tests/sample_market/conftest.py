"""One simulated market for all tests, the bars beneath such a market, and an empty table."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import text

from clickhouse.engine import open_engine
from sample_market import MarketSpec, simulate
from sample_market.bars import Bars, simulate_bars
from sample_market.regimes import draw_path

END = datetime(2026, 11, 22, 2, tzinfo=UTC)


@pytest.fixture(scope="session")
def market() -> pd.DataFrame:
    """The market of the defaults, at a fixed end."""
    return simulate(MarketSpec(end=END))


@pytest.fixture(scope="session")
def bars() -> Bars:
    """700 hours of three symbols."""
    rng = np.random.default_rng(3)
    symbols = ("BTCUSDT", "ETHUSDT", "XYZUSDT")
    hours = pd.date_range("2026-01-01", periods=700, freq="h")
    return simulate_bars(symbols, [draw_path(len(hours), rng) for _ in symbols], hours, rng)


@pytest.fixture
def database(tmp_path: Path) -> str:
    """The URL of an embedded ClickHouse with an empty `regime_features`."""
    url = f"clickhouse+chdb:///default?path={tmp_path / 'clickhouse'}"
    engine = open_engine(url)
    schema = Path(__file__).parents[2] / "clickhouse" / "schema.sql"
    with engine.connect() as connection:
        connection.execute(text(schema.read_text(encoding="utf-8")))
    engine.dispose()
    return url
