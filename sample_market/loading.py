"""Brings features into ClickHouse: from a person's own file, or from the simulation."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from sample_market.checks import checked, checked_labels
from sample_market.errors import BadMarketFile

BATCH_ROWS = 10_000

_TEXTS = ("symbol", "ema_alignment", "regime_label")


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
