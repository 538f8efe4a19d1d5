"""Columns of other types are frozen where nothing is lost, and the snapshot says which."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text

from clickhouse.reading import read_samples
from clickhouse.snapshot import extent_of, freeze
from ml.contract import COLUMN_TYPES, FEATURES, REGIMES

Make = Callable[..., None]

LABELS = "'range', 'trend_up', 'breakout'"


@pytest.fixture
def make(any_engine: Engine) -> Make:
    """Makes a source in which some columns have other types and values, of 300 rows."""

    def run(values: dict[str, str] | None = None, **types: str) -> None:
        columns = ", ".join(f"{k} {v}" for k, v in {**COLUMN_TYPES, **types}.items())
        usual = {
            "symbol": "if(number % 2, 'A', 'B')",
            "timestamp": "toStartOfHour(now()) - toIntervalHour(number)",
            **dict.fromkeys(FEATURES, "number % 5"),
            "regime_label": f"[{LABELS}][number % 3 + 1]",
        }
        engine = "ENGINE = MergeTree ORDER BY (symbol, timestamp) SETTINGS allow_nullable_key = 1"
        selected = ", ".join({**usual, **(values or {})}.values())
        with any_engine.connect() as connection:
            for sql in (
                "DROP TABLE regime_features",
                f"CREATE TABLE regime_features ({columns}) {engine}",
                f"INSERT INTO regime_features SELECT {selected} FROM numbers(300)",
            ):
                connection.execute(text(sql))

    return run


ENUM = "Enum8('' = 0, 'range' = 1, 'trend_up' = 2, 'breakout' = 3)"
HONEST = {
    "Enum8 labels": {"regime_label": ENUM},
    "nullable labels": {"regime_label": "LowCardinality(Nullable(String))"},
    "labels of fixed length": {"regime_label": "FixedString(12)"},
    "symbols of fixed length": {"symbol": "FixedString(3)"},
    "nullable symbols": {"symbol": "Nullable(String)"},
    "DateTime64(3)": {"timestamp": "DateTime64(3)"},
    "DateTime64(9) with a zone": {"timestamp": "DateTime64(9, 'Asia/Tokyo')"},
    "nullable times": {"timestamp": "Nullable(DateTime64(6))"},
    "seconds": {"timestamp": "Int64"},
    "Float32": dict.fromkeys(FEATURES, "Float32"),
    "Nullable(Float64)": dict.fromkeys(FEATURES, "Nullable(Float64)"),
    "Decimal": dict.fromkeys(FEATURES, "Decimal(18, 4)"),
    "Int64": dict.fromkeys(FEATURES, "Int64"),
    "counts of UInt16": {"higher_highs_count": "UInt16", "support_breaks": "Nullable(UInt8)"},
    "bytes": dict.fromkeys(FEATURES, "UInt8"),
}


@pytest.mark.parametrize("types", HONEST.values(), ids=HONEST.keys())
def test_freeze_converts_what_loses_nothing_and_says_so(
    any_engine: Engine, make: Make, types: dict[str, str]
) -> None:
    make()
    expected = read_samples(any_engine, freeze(any_engine, "usual", FEATURES), FEATURES, REGIMES)
    extent = extent_of(any_engine)
    make(**types)
    snapshot = freeze(any_engine, "run", FEATURES)
    samples = read_samples(any_engine, snapshot, FEATURES, REGIMES)
    for name, values in samples.items():
        assert values.tolist() == expected[name].tolist()  # type: ignore[literal-required,attr-defined]
    assert extent_of(any_engine) == extent
    changed = {column for column, kind in types.items() if kind != "UInt8"}
    assert {told.split()[0] for told in snapshot.converted} == changed


def test_freeze_of_dates_takes_their_midnights_in_utc(any_engine: Engine, make: Make) -> None:
    make({"timestamp": "toDate('2026-11-01') - number"}, timestamp="Date")
    snapshot = freeze(any_engine, "run", FEATURES)
    samples = read_samples(any_engine, snapshot, FEATURES, REGIMES)
    assert str(samples["timestamps"][-1]) == "2026-11-01T00:00:00"
    assert extent_of(any_engine)[1] == samples["timestamps"][-1].astype("datetime64[D]").astype(int)


def test_label_that_is_null_is_no_label(any_engine: Engine, make: Make) -> None:
    labels = f"if(number < 100, NULL, [{LABELS}][number % 3 + 1])"
    make({"regime_label": labels}, regime_label="LowCardinality(Nullable(String))")
    assert freeze(any_engine, "run", FEATURES).rows == 200


@pytest.mark.parametrize(
    ("kind", "value", "frozen"),
    [
        ("Nullable(Float64)", "NULL", "nan"),
        ("Int64", "300", "300"),
        ("Float64", "7.5", "7.5"),
        ("Nullable(UInt8)", "NULL", "nan"),
    ],
)
def test_number_that_has_no_place_stays_visible_for_the_gate(
    any_engine: Engine, make: Make, kind: str, value: str, frozen: str
) -> None:
    one = f"if(number = 7, {value}, number % 5)"
    make({"support_breaks": one}, support_breaks=kind)
    snapshot = freeze(any_engine, "run", FEATURES)
    value_of = f"SELECT toString(toFloat64(support_breaks)) FROM {snapshot.name}"
    asked = f"{value_of} WHERE NOT support_breaks < 5"
    with any_engine.connect() as connection:
        assert connection.execute(text(asked)).scalars().all() == [frozen]


@pytest.mark.parametrize(
    ("kind", "value", "frozen"),
    [
        ("DateTime64(3)", "toDateTime64('1901-01-01 00:00:00', 3)", 0),
        ("DateTime64(3)", "toDateTime64('2200-01-01 00:00:00', 3)", 2**32 - 1),
        ("Nullable(DateTime)", "NULL", 0),
        ("Int64", "toUnixTimestamp(now()) * 1000", 2**32 - 1),
    ],
)
def test_time_that_has_no_place_becomes_the_first_or_the_last_second(
    any_engine: Engine, make: Make, kind: str, value: str, frozen: int
) -> None:
    one = f"if(number = 7, {value}, toStartOfHour(now()) - toIntervalHour(number))"
    if kind == "Int64":
        one = f"if(number = 7, {value}, toUnixTimestamp(now()) - 3600 * number)"
    make({"timestamp": one}, timestamp=kind)
    snapshot = freeze(any_engine, "run", FEATURES)
    far = "abs(t - toUnixTimestamp(now())) > 1e8"
    asked = f"SELECT toUInt32(timestamp) AS t FROM {snapshot.name} WHERE {far}"
    with any_engine.connect() as connection:
        assert connection.execute(text(asked)).scalars().all() == [frozen]


def test_fraction_of_a_second_that_makes_two_rows_one_leaves_both_for_the_gate(
    any_engine: Engine, make: Make
) -> None:
    halves = "toDateTime64('2026-11-01 00:00:00', 3) + toIntervalMillisecond(250 * number)"
    make({"timestamp": halves}, timestamp="DateTime64(3)")
    snapshot = freeze(any_engine, "run", FEATURES)
    asked = f"SELECT count(), uniqExact(symbol, timestamp) FROM {snapshot.name}"
    with any_engine.connect() as connection:
        rows, different = connection.execute(text(asked)).one()
    assert rows == snapshot.rows == 300 > different


def test_more_names_of_symbols_than_a_query_holds_are_read(any_engine: Engine, make: Make) -> None:
    with any_engine.connect() as connection:
        make({"symbol": "concat('symbol ', leftPad(toString(number), 3, '0'), repeat('x', 2000))"})
        connection.execute(
            text(
                "INSERT INTO regime_features SELECT concat('S', toString(number)), now(), "
                f"{', '.join('number % 5' for _ in FEATURES)}, 'range' FROM numbers(70000)"
            )
        )
    samples = read_samples(any_engine, freeze(any_engine, "run", FEATURES), FEATURES, REGIMES)
    symbols = samples["symbols"].tolist()
    assert len(set(symbols)) == 70_300
    short = [
        (int(name[1:]) % 5, row[0])
        for name, row in zip(symbols, samples["features"], strict=True)
        if name.startswith("S")
    ]
    assert len(short) == 70_000
    assert all(expected == found for expected, found in short)
