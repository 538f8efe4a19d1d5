"""The page Production of a quiet and of a worrying day, and what the watch tells besides."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import text

from clickhouse.watching import DAYS_TABLE
from pipeline import gauges
from pipeline.dag_defaults import WATCH, WORRYING
from tests.airflow.conftest import Open, Place, keep
from tests.dags.small_models import deploy, market_candidate
from tests.services.scheduler import wait_until

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]

SILENT = "ETHUSDT: no rows on this day (usual are 24)"
YESTERDAY = "toDate(now('UTC')) - 1"


@pytest.fixture(scope="module")
def place(place_at: Callable[[str], Place], market: pd.DataFrame) -> Place:
    """With a model in production."""
    place = place_at("watched")
    deploy(place.home.models, market_candidate(market), datetime.now(UTC))
    return place


def _look(place: Place) -> float:
    """Looks; how many things worry, by the gauge."""
    told = place.site.gauges
    told.clear()
    run = place.airflow.trigger(WATCH)
    assert place.airflow.finished(WATCH, run) == ("success", {"watch_model": "success"})
    names = [f"airflow.{name}" for name in (gauges.WORRYING, gauges.WATCHED_AT)]
    wait_until(lambda: set(names) <= dict(told).keys(), "the gauges of the watch", 30)
    assert abs(dict(told)[names[1]] - datetime.now(UTC).timestamp()) < 300
    return dict(told)[names[0]]


def _silence(place: Place) -> None:
    """Takes yesterday's rows of a symbol, and what is known of yesterday."""
    rows = f"symbol = 'ETHUSDT' AND toDate(timestamp, 'UTC') = {YESTERDAY}"
    engine = place.home.open()
    with engine.connect() as connection:
        for table, gone in (("regime_features", rows), (DAYS_TABLE, f"day >= {YESTERDAY}")):
            delete = f"ALTER TABLE {table} DELETE WHERE {gone} SETTINGS mutations_sync = 2"
            connection.execute(text(delete))
    engine.dispose()


def _seen(open_page: Open, name: str, scheme: str = "light") -> Any:
    for width in (1400, 390):
        page = open_page("regime-model/production", width, scheme)
        keep(page, f"production-{name}-{width}")
        assert page.evaluate("document.documentElement.scrollWidth") == width
    return page


def test_quiet_and_worrying_day_are_seen_at_both_widths_and_told_by_gauge(
    open_page: Open, place: Place
) -> None:
    before = len(place.chat)
    assert _look(place) == 0
    page = _seen(open_page, "quiet")
    assert page.get_by_role("heading", level=1).inner_text() == "All is well"
    assert page.get_by_text("Nothing: no message was sent.").is_visible()

    _silence(place)
    assert _look(place) == 1
    page = _seen(open_page, "worrying", "dark")
    assert page.get_by_role("heading", level=1).inner_text() == "1 thing worries"
    assert page.locator(".reasons").get_by_text(SILENT).is_visible()
    assert page.get_by_role("heading", name="Rows come worrying on 1 day").is_visible()
    assert len(place.told(before)) == 1
    # A feed is not cured by a new model.
    events = place.airflow.get("assets/events?limit=100")["asset_events"]
    assert WORRYING.name not in {event["name"] for event in events}
