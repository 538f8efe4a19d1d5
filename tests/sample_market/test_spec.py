"""What a market may be asked to be."""

import pickle
from datetime import UTC, datetime

import pytest

from sample_market import MarketSpec
from sample_market.spec import BadMarketSpec


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rows", 0),
        ("rows", -5),
        ("rows", 50),
        ("symbols", ("BTCUSDT",)),
        ("symbols", ("BTCUSDT", "BTCUSDT")),
        ("symbols", ("BTCUSDT", " ")),
        ("labelled_share", 1.1),
        ("labelled_share", float("nan")),
        ("label_error_share", -0.1),
        ("seed", -1),
        ("end", datetime(2026, 1, 1, 0, 30, tzinfo=UTC)),
    ],
)
def test_spec_out_of_range_names_field_and_value(field, value):
    with pytest.raises(BadMarketSpec) as caught:
        MarketSpec(**{field: value})
    assert caught.value.field == field
    shown = value.isoformat() if isinstance(value, datetime) else value
    assert str(caught.value).startswith(f"{field} is {shown!r}, allowed is: ")


def test_spec_too_many_rows_for_its_symbols_asks_for_more_symbols():
    with pytest.raises(BadMarketSpec, match=r"48 to 16800 for 2 symbols.*more symbols"):
        MarketSpec(rows=16_801, symbols=("BTCUSDT", "ETHUSDT"))


def test_spec_without_symbols_takes_what_the_rows_need():
    assert len(MarketSpec().symbols) == 4
    assert len(MarketSpec(rows=1_000_000).symbols) == 120
    assert len(set(MarketSpec(rows=1_000_000).symbols)) == 120


def test_spec_end_defaults_to_the_current_hour():
    end = MarketSpec().end
    assert 0 <= (datetime.now(UTC) - end).total_seconds() < 3_700
    assert (end.minute, end.second, end.microsecond) == (0, 0, 0)


def test_spec_end_without_zone_is_utc():
    naive = datetime(2026, 1, 1)
    assert MarketSpec(end=naive).end == datetime(2026, 1, 1, tzinfo=UTC)


def test_bad_spec_survives_pickling():
    error = BadMarketSpec("rows", 5, "more")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.field, copy.value) == (str(error), "rows", 5)
