"""One simulated market for all tests, the bars beneath such a market, and an empty table."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Engine

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
def database(engine: Engine) -> str:
    """The URL of an embedded ClickHouse with an empty `regime_features`, held by nobody."""
    engine.dispose()
    return str(engine.url)
