"""Brings features into ClickHouse: from a person's own file, or from the simulation.

A person's file is checked before any of it is loaded; what does not fit is named by file, column
and first row at fault, with what to do.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import sqlalchemy as sa

from ml.contract import COUNTS, FEATURES, REGIMES
from sample_market.market import COLUMNS

BATCH_ROWS = 10_000

_TEXTS = ("symbol", "ema_alignment", "regime_label")


class BadMarketFile(ValueError):
    """A person's own file of features cannot be loaded as it is.

    Attributes:
        path: the file.
        column: the column at fault; empty if the file as a whole is.
        row: the first data row at fault, counted from 1 without the header; None if not one row is.
        problem: what was found there.
        remedy: what to do about it.
    """

    def __init__(self, path: Path, column: str, row: int | None, problem: str, remedy: str) -> None:
        super().__init__(path, column, row, problem, remedy)
        self.path, self.column, self.row = path, column, row
        self.problem, self.remedy = problem, remedy

    def __str__(self) -> str:
        place = [str(self.path)]
        place += [f"column {self.column}"] if self.column else []
        place += [f"row {self.row}"] if self.row is not None else []
        return f"{', '.join(place)}: {self.problem}. {self.remedy}."


def insert(engine: sa.Engine, frame: pd.DataFrame, table: str = "regime_features") -> int:
    """Inserts all rows in batches.

    Args:
        engine: of dialect `clickhouse`; native, HTTP and embedded all send one INSERT a batch.
        frame: as `simulate` or `read_file` returns it.
        table: an existing table of the engine's database.

    Returns:
        How many rows were sent.
    """
    columns = [sa.Column(name, _type(frame, name)) for name in frame.columns]
    statement = sa.insert(sa.Table(table, sa.MetaData(), *columns))
    with engine.begin() as connection:
        for batch in _batches(frame):
            connection.execute(statement, batch)
    return len(frame)


def count_rows(engine: sa.Engine, table: str = "regime_features") -> int:
    """Counts the rows of a table, rows written twice included."""
    query = sa.select(sa.func.count()).select_from(sa.table(table))
    with engine.connect() as connection:
        return int(connection.execute(query).scalar_one())


def read_file(path: Path | str) -> pd.DataFrame:
    """Reads a person's own CSV or Parquet file of features and checks all of it.

    Args:
        path: a file that ends in `.csv`, `.csv.gz` or `.parquet`.

    Returns:
        The rows in the columns, order and types of `regime_features`, as `simulate` returns them.

    Raises:
        BadMarketFile: naming file, column and row at fault and what to do.
    """
    return checked(_opened(Path(path)), Path(path))


def read_labels(path: Path | str) -> dict[tuple[str, int], str]:
    """Reads the labels of a person's CSV or Parquet file: the labelled list, or an export of it.

    Args:
        path: as `read_file` takes it, with at least `symbol`, `timestamp` and `regime_label`.

    Returns:
        Regime by symbol and time, in seconds since 1970.

    Raises:
        BadMarketFile: naming file, column and row at fault and what to do.
    """
    return checked_labels(_opened(Path(path)), Path(path))


def _opened(path: Path) -> pd.DataFrame:
    try:
        return _read(path)
    except OSError as error:
        problem = f"the file cannot be opened: {error.strerror or error}"
        raise BadMarketFile(path, "", None, problem, "Check the path and its rights") from error
    except ValueError as error:  # what pandas and pyarrow raise for a broken file
        problem = f"the file is damaged: {' '.join(str(error).split())}"
        raise BadMarketFile(path, "", None, problem, "Write the file again") from error


def _read(path: Path) -> pd.DataFrame:
    if path.name.lower().endswith((".csv", ".csv.gz")):
        texts = dict.fromkeys((*_TEXTS, "timestamp"), "str")
        # An empty or odd field stays as it is, for the checks to name it.
        return pd.read_csv(path, dtype=texts, keep_default_na=False, low_memory=False)
    if path.name.lower().endswith(".parquet"):
        return pd.read_parquet(path)
    remedy = "Name a file that ends in .csv, .csv.gz or .parquet"
    raise BadMarketFile(path, "", None, "the file's kind is unknown", remedy)


def _type(frame: pd.DataFrame, name: str) -> sa.types.TypeEngine[Any]:
    if name in _TEXTS:
        return sa.String()
    return sa.Float() if frame[name].dtype.kind == "f" else sa.Integer()


def _batches(frame: pd.DataFrame) -> Iterator[list[dict[str, Any]]]:
    # Seconds since 1970 mean the same time everywhere; a text or a naive datetime is read in the
    # time zone of the server or of the client, depending on the driver.
    sent = frame.assign(timestamp=frame["timestamp"].astype("datetime64[s]").astype("int64"))
    for start in range(0, len(sent), BATCH_ROWS):
        batch = sent.iloc[start : start + BATCH_ROWS]
        values = [batch[name].tolist() for name in batch.columns]
        names = tuple(map(str, batch.columns))
        yield [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


Column: TypeAlias = "pd.Series[Any]"

_OF_LABELS = ("symbol", "timestamp", "regime_label")
_FIRST_TIME = pd.Timestamp(0, tz="UTC")
_LAST_TIME = pd.Timestamp(2**32 - 1, unit="s", tz="UTC")


def checked(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Returns the rows of a file in the columns, order and types of `regime_features`.

    Raises:
        BadMarketFile: at the first thing that does not fit.
    """
    _check_columns(frame, path)
    found: dict[str, Column] = {
        "symbol": _symbols(frame["symbol"], path),
        "timestamp": _timestamps(frame["timestamp"], path),
    }
    for name in FEATURES:
        numbers = _numbers(frame[name], path)
        found[name] = _counts(numbers, frame[name], path) if name in COUNTS else numbers
    found["ema_alignment"] = _texts(frame["ema_alignment"])
    found["regime_label"] = _labels(frame["regime_label"], path)
    return pd.DataFrame(found)


def checked_labels(frame: pd.DataFrame, path: Path) -> dict[tuple[str, int], str]:
    """Returns a file's labels by symbol and time, in seconds since 1970; rows without are left.

    Raises:
        BadMarketFile: at the first thing that does not fit, such as a row with two labels.
    """
    missing = [name for name in _OF_LABELS if name not in frame.columns]
    if missing:
        remedy = f"Give the columns {', '.join(_OF_LABELS)}"
        problem = f"missing columns: {', '.join(missing)}"
        raise BadMarketFile(path, "", None, problem, remedy)
    labels = _labels(frame["regime_label"].str.strip(), path)
    seconds = _timestamps(frame["timestamp"], path).astype("int64")
    keys = pd.DataFrame({"symbol": _symbols(frame["symbol"], path), "t": seconds, "label": labels})
    keys = keys[labels != ""].drop_duplicates()
    twice = frame.index.isin(keys.index[keys.duplicated(["symbol", "t"])])
    remedy = "Keep one label of each symbol and timestamp"
    _refuse(pd.Series(twice, frame.index), frame["regime_label"], path, remedy)
    if keys.empty:
        problem = "no row has a label"
        raise BadMarketFile(path, "regime_label", None, problem, "Write at least one")
    rows = zip(keys["symbol"], keys["t"], keys["label"], strict=True)
    return {(str(symbol), int(second)): str(label) for symbol, second, label in rows}


def _check_columns(frame: pd.DataFrame, path: Path) -> None:
    missing = [name for name in COLUMNS if name not in frame.columns]
    unknown = [str(name) for name in frame.columns if name not in COLUMNS]
    problems = []
    if missing:
        problems.append(f"missing columns: {', '.join(missing)}")
    if unknown:
        problems.append(f"unknown columns: {', '.join(unknown)}")
    if problems:
        remedy = f"Give exactly these columns, in any order: {', '.join(COLUMNS)}"
        raise BadMarketFile(path, "", None, "; ".join(problems), remedy)
    if frame.empty:
        raise BadMarketFile(path, "", None, "no rows", "Put at least one row below the header")


def _texts(column: Column) -> Column:
    return column.astype(object).where(column.notna(), "").astype("str")


def _symbols(column: Column, path: Path) -> Column:
    symbols = _texts(column)
    _refuse(symbols.str.strip() == "", column, path, "Name a symbol such as BTCUSDT")
    return symbols


def _timestamps(column: Column, path: Path) -> Column:
    remedy = (
        "Write UTC times of whole seconds from 1970 to 2106 such as 2026-11-22T13:00:00 or, with "
        "an offset, 2026-11-22T14:00:00+01:00"
    )
    if pd.api.types.is_numeric_dtype(column):
        _refuse(pd.Series(True, index=column.index), column, path, remedy)
    # Without a zone a time is UTC already; with one it is converted.
    times = pd.to_datetime(column, utc=True, format="ISO8601", errors="coerce")
    bad = (
        times.isna() | (times < _FIRST_TIME) | (times > _LAST_TIME) | (times.dt.floor("s") != times)
    )
    _refuse(bad, column, path, remedy)
    return times.dt.tz_localize(None).astype("datetime64[s]")


def _numbers(column: Column, path: Path) -> Column:
    numbers = pd.to_numeric(column, errors="coerce").astype("float64")
    _refuse(~numbers.abs().lt(np.inf), column, path, "Write a finite number")
    return numbers


def _counts(numbers: Column, column: Column, path: Path) -> Column:
    bad = (numbers < 0) | (numbers > 255) | (numbers != numbers.round())
    _refuse(bad, column, path, "Write a whole number from 0 to 255")
    return numbers.astype("uint8")


def _labels(column: Column, path: Path) -> Column:
    labels = _texts(column)
    allowed = ", ".join(REGIMES)
    remedy = f"Write one of {allowed}, or leave it empty while the row is not labelled"
    _refuse(~labels.isin([*REGIMES, ""]), column, path, remedy)
    return labels


def _refuse(bad: Column, column: Column, path: Path, remedy: str) -> None:
    """Raises for the first row where `bad` holds."""
    rows = np.flatnonzero(bad.to_numpy())
    if not len(rows):
        return
    value = column.iloc[rows[0]]
    problem = f"{value!r} is not allowed" if not pd.isna(value) else "the value is missing"
    if len(rows) > 1:
        problem += f" (and {len(rows) - 1} more rows like it)"
    raise BadMarketFile(path, str(column.name), int(rows[0]) + 1, problem, remedy)
