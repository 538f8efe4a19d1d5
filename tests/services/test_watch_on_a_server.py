"""Two looks of the watch at once, and looks that are killed, on a server with the stack's users."""

import signal
from collections.abc import Callable
from datetime import UTC, datetime

import pandas as pd
import pytest
from sqlalchemy import text

from clickhouse.engine import opened
from clickhouse.watching import DAYS_TABLE, read_days
from tests.conftest import a_quarter
from tests.dags.home import Home
from tests.dags.looks import KILL_POINTS, look_at_once
from tests.dags.small_models import deploy, market_candidate
from tests.services.ways import Way, server_way

pytestmark = pytest.mark.filterwarnings("default")

DAYS = 10
SILENT = "⚠️ ETHUSDT: no rows on this day (usual are 24)"


@pytest.fixture(params=["native", a_quarter("http")])
def way(request, server, places) -> Way:
    return server_way(server, request.param, *places)


@pytest.fixture(scope="module")
def candidate(market: pd.DataFrame):
    return market_candidate(market)


@pytest.fixture
def watched(home_at: Callable[[Way], Home], way: Way, market: pd.DataFrame, candidate) -> Home:
    """A market up to last midnight whose last day lacks a symbol, and a model trained on it."""
    home, newest = home_at(way), market["timestamp"].max()
    silent = (market["symbol"] == "ETHUSDT") & (
        market["timestamp"] >= newest - pd.Timedelta(days=1)
    )
    home.load(market[~silent & (market["timestamp"] >= newest - pd.Timedelta(days=DAYS))])
    deploy(home.models, candidate, datetime.now(UTC))
    return home


def _rows_of_days(way: Way) -> list[int]:
    """What the days count, of which the table must have one row each."""
    with opened(way.pipeline) as engine:
        days = read_days(engine, way.snapshots)
        with engine.connect() as connection:
            kept = f"SELECT count() FROM {way.snapshots}.{DAYS_TABLE} FINAL"
            assert connection.execute(text(kept)).scalar_one() == len(days)
    return [facts["rows"] for facts in days.values()]


EXPECTED = [96] * (DAYS - 1) + [72]


def test_looks_at_the_same_moment_count_and_tell_everything_once(
    watched: Home, way: Way, chat: list[str]
) -> None:
    for code, errors in look_at_once(2):
        assert code == 0, errors[-2000:]
    assert _rows_of_days(way) == EXPECTED
    (message,) = chat
    assert SILENT in message.splitlines()


@pytest.mark.full
@pytest.mark.parametrize(("point", "messages"), KILL_POINTS)
def test_look_killed_anywhere_tells_no_message_twice(
    watched: Home, way: Way, chat: list[str], point: str, messages: int
) -> None:
    ((code, errors),) = look_at_once(1, point)
    assert code == -signal.SIGKILL, errors[-2000:]
    ((code, errors),) = look_at_once(1)
    assert code == 0, errors[-2000:]
    assert _rows_of_days(way) == EXPECTED
    assert len(chat) == messages
