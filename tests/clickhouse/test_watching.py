"""What is counted of a day, in ClickHouse itself, on each way to it."""

from datetime import date, timedelta

import pytest
from sqlalchemy import Engine, text

from clickhouse.watching import Freshness, freshness_of, midnight, rows_of_days
from ml.contract import FEATURES

HOUR = 3600
DAY = date(2026, 11, 27)
END = midnight(DAY + timedelta(days=1))


def _fresh(engine: Engine, minutes: str = "60 * number", **values: str) -> dict[str, Freshness]:
    """Counts a day of BTC, of which some features have other values than the hour, and ETH."""
    of = {name: f"toFloat64({k} + number)" for k, name in enumerate(FEATURES)} | values
    insert = (
        f"INSERT INTO regime_features (symbol, timestamp, {', '.join(FEATURES)}, ema_alignment) "
        f"SELECT symbol, toDateTime({int(midnight(DAY).timestamp())}) + toIntervalMinute(minutes), "
        f"{', '.join(of.values())}, '' FROM (SELECT number, {minutes} AS minutes, "
        "arrayJoin(['BTC', 'ETH']) AS symbol FROM numbers(24))"
    )
    with engine.connect() as connection:
        connection.execute(text(insert))
        connection.execute(text(insert))
    with rows_of_days(engine, midnight(DAY), END, FEATURES, ("range",)) as copy:
        assert copy.rows == 48
        return freshness_of(engine, copy, END, FEATURES)


def test_freshness_of_values_that_change_each_hour_is_an_hour(any_engine: Engine) -> None:
    found = _fresh(any_engine)
    assert list(found) == list(FEATURES)
    assert {f.missing for f in found.values()} == {0}
    assert {(f.age, f.still, f.stopped) for f in found.values()} == {(HOUR, HOUR, ())}


def test_freshness_names_what_is_missing_old_or_stands_still(any_engine: Engine) -> None:
    found = _fresh(
        any_engine,
        adx="if(number % 4, nan, number)",
        ema_9="if(number > 9, if(number % 2, inf, -inf), number)",
        atr_14="nan",
        funding_rate="if(symbol = 'BTC', intDiv(number, 8), number)",
        historical_vol="if(symbol = 'BTC', least(number, 12), number)",
        volume_24h="if(symbol = 'BTC', least(number, 13), number)",
        bb_width="if(symbol = 'BTC', 7, number)",
        atr_pct="if(symbol = 'BTC' AND number < 9, nan, least(number, 9))",
    )
    # The newest of BTC and ETH at 20:00, and another value before at 16:00.
    assert found["adx"] == Freshness(36, 4 * HOUR, 4 * HOUR, found["adx"].longest, ())
    assert (found["ema_9"].missing, found["ema_9"].age) == (28, 15 * HOUR)
    assert (found["atr_14"].missing, found["atr_14"].age, found["atr_14"].still) == (48, 86_400, 0)
    assert found["funding_rate"] == Freshness(0, HOUR, 8 * HOUR, "BTC", ())
    # Twelve alike, from 12:00 to 23:00, and eleven.
    assert found["historical_vol"] == Freshness(0, HOUR, 12 * HOUR, "BTC", ("BTC",))
    assert found["volume_24h"] == Freshness(0, HOUR, 11 * HOUR, "BTC", ())
    assert found["bb_width"] == Freshness(0, HOUR, 23 * HOUR, "BTC", ("BTC",))
    assert found["atr_pct"].stopped == ("BTC", "ETH")


@pytest.mark.parametrize(("minutes", "stopped"), [("number", ()), ("57 * number + 3", ("BTC",))])
def test_feature_stands_still_only_where_half_a_day_has_rows_enough(
    minutes: str, stopped: tuple[str, ...], engine: Engine
) -> None:
    found = _fresh(engine, minutes, adx="if(symbol = 'BTC', 7, number)")
    assert found["adx"].stopped == stopped
