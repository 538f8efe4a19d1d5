"""Loading a person's own file, and inserting into the embedded ClickHouse."""

import pickle
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import text

from clickhouse.engine import open_engine
from ml.contract import FEATURES
from sample_market import MarketSpec, simulate
from sample_market.loading import BadMarketFile, count_rows, insert, read_file, read_labels

END = datetime(2026, 11, 22, 2, tzinfo=UTC)


@pytest.fixture
def small():
    """A market of 200 rows."""
    return simulate(MarketSpec(rows=200, end=END))


@pytest.fixture
def engine(database):
    """An embedded engine with an empty `regime_features`."""
    engine = open_engine(database)
    yield engine
    engine.dispose()


def written(frame, folder, kind="csv"):
    path = folder / f"market.{kind}"
    if kind == "parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False)
    return path


def refusal(path):
    with pytest.raises(BadMarketFile) as caught:
        read_file(path)
    return caught.value


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet"])
def test_read_file_of_a_written_market_is_identical(small, tmp_path, kind):
    again = read_file(written(small, tmp_path, kind))
    pd.testing.assert_frame_equal(again, small, check_exact=True)


def test_read_file_columns_in_any_order_are_put_in_order(small, tmp_path):
    again = read_file(written(small[small.columns[::-1]], tmp_path))
    pd.testing.assert_frame_equal(again, small, check_exact=True)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_read_file_times_with_an_offset_become_utc(small, tmp_path, kind):
    local = small["timestamp"].dt.tz_localize("UTC").dt.tz_convert("Asia/Kolkata")
    again = read_file(written(small.assign(timestamp=local), tmp_path, kind))
    pd.testing.assert_frame_equal(again, small, check_exact=True)


def test_read_file_parquet_nulls_as_label_mean_unlabelled(small, tmp_path):
    sparse = small.assign(regime_label=small["regime_label"].replace("", None))
    again = read_file(written(sparse, tmp_path, "parquet"))
    assert again["regime_label"].tolist() == small["regime_label"].tolist()


def test_read_file_missing_and_unknown_columns_are_all_named(small, tmp_path):
    renamed = small.rename(columns={"adx": "ADX"}).drop(columns="symbol")
    error = refusal(written(renamed, tmp_path))
    assert "missing columns: symbol, adx; unknown columns: ADX" in str(error)
    assert "Give exactly these columns" in str(error)


@pytest.mark.parametrize(
    ("column", "value", "remedy"),
    [
        ("atr_14", "fast", "finite number"),
        ("atr_14", "", "finite number"),
        ("adx", float("inf"), "finite number"),
        ("adx", "nan", "finite number"),
        ("support_breaks", 256, "whole number from 0 to 255"),
        ("support_breaks", -1, "whole number from 0 to 255"),
        ("support_breaks", 1.5, "whole number from 0 to 255"),
        ("timestamp", "yesterday", "UTC times"),
        ("timestamp", "", "UTC times"),
        ("timestamp", "1969-12-31T23:00:00", "UTC times"),
        ("timestamp", "2107-01-01T00:00:00", "UTC times"),
        ("timestamp", "2026-01-01T00:00:00.5", "whole seconds"),
        ("regime_label", "sideways", "Write one of trend_up,"),
        ("symbol", " ", "Name a symbol"),
    ],
)
def test_read_file_bad_value_names_column_row_and_remedy(small, tmp_path, column, value, remedy):
    broken = small.astype({column: object})
    broken.loc[[41, 77], column] = value
    error = refusal(written(broken, tmp_path))
    assert (error.column, error.row) == (column, 42)
    assert f"column {column}, row 42: " in str(error)
    assert "and 1 more rows like it" in str(error)
    assert remedy in str(error)


@pytest.mark.parametrize("values", [range(200), [None] * 200])
def test_read_file_parquet_times_that_are_no_times_are_refused(small, tmp_path, values):
    error = refusal(written(small.assign(timestamp=list(values)), tmp_path, "parquet"))
    assert (error.column, error.row) == ("timestamp", 1)


def test_read_file_parquet_missing_number_is_refused(small, tmp_path):
    small.loc[3, "ema_9"] = None
    error = refusal(written(small, tmp_path, "parquet"))
    assert (error.column, error.row) == ("ema_9", 4)
    assert "the value is missing" in str(error)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("market.xlsx", b"", "ends in .csv, .csv.gz or .parquet"),
        ("market.csv", b"", "the file is damaged"),
        ("market.csv", b"\xff\xfe\x00", "the file is damaged"),
        ("market.csv.gz", b"no gzip", "cannot be opened"),
        ("market.parquet", b"PAR0", "the file is damaged"),
    ],
)
def test_read_file_unreadable_says_what_is_wrong(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    assert told in str(refusal(tmp_path / name))


def test_read_file_absent_says_so(tmp_path):
    assert "cannot be opened: No such file" in str(refusal(tmp_path / "none.csv"))


def test_read_file_header_only_is_refused(small, tmp_path):
    assert "no rows" in str(refusal(written(small.iloc[:0], tmp_path)))


def test_bad_file_survives_pickling():
    error = BadMarketFile(Path("m.csv"), "adx", 3, "odd", "Mend it")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(error) == "m.csv, column adx, row 3: odd. Mend it."


def test_insert_stores_every_value_exactly(engine, small):
    odd = "O'Br%s\\ \tü"
    small.loc[small["symbol"] == "BTCUSDT", "symbol"] = odd
    assert insert(engine, small) == 200
    columns = ", ".join([*FEATURES, "ema_alignment", "regime_label"])
    query = f"SELECT symbol, toUnixTimestamp(timestamp), {columns} FROM regime_features"
    with engine.connect() as connection:
        rows = connection.execute(text(query)).fetchall()
    seconds = small["timestamp"].astype("int64")
    sent = small.assign(timestamp=seconds).itertuples(index=False, name=None)
    assert sorted(map(tuple, rows)) == sorted(sent)


def test_insert_more_than_a_batch_stores_all_rows(engine):
    assert insert(engine, simulate(MarketSpec(rows=10_001, end=END))) == 10_001
    assert count_rows(engine) == 10_001


def test_insert_single_row_is_stored(engine, small):
    insert(engine, small.iloc[:1])
    assert count_rows(engine) == 1


LIST = "rank,symbol,timestamp,why,regime_label\n"


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("1,A,2026-11-22T01:00:00+00:00,x,Range\n", "'Range' is not allowed"),
        ("1,A,yesterday,x,range\n", "column timestamp, row 1"),
        ("1,,2026-11-22T01:00:00,x,range\n", "column symbol, row 1"),
        ("1,A,2026-11-22T01:00:00,x,\n", "no row has a label"),
        (
            "1,A,2026-11-22T01:00:00,x,range\n2,A,2026-11-22T02:00:00+01:00,x,volatile\n",
            "row 2: 'volatile' is not allowed. Keep one label of each",
        ),
    ],
)
def test_read_labels_that_cannot_be_meant_are_refused_with_the_row(tmp_path, rows, told):
    file = tmp_path / "labels.csv"
    file.write_text(LIST + rows)
    with pytest.raises(BadMarketFile) as caught:
        read_labels(file)
    assert told in str(caught.value)


def test_read_labels_without_a_column_names_it(tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text("symbol,regime_label\nA,range\n")
    with pytest.raises(BadMarketFile, match="missing columns: timestamp"):
        read_labels(file)


def test_read_labels_passes_over_rows_without_and_further_columns(tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text(
        f"{LIST}1,A,2026-11-22T02:00:00+01:00,x,range\n2,B,2026-11-22T01:00:00,x,\n"
        "3,A,2026-11-22T01:00:00,x,range\n"
    )
    assert read_labels(file) == {("A", 1795309200): "range"}
