"""Reads a frozen snapshot into arrays, column by column, without a Python object per value.

Native connections fill the arrays from the driver's blocks, HTTP and the embedded engine from
`RowBinary`; all three give the same numbers in the same order.
"""

from collections.abc import Iterator, Sequence
from typing import Any, TypedDict

import clickhouse_driver
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, text

from clickhouse.chdb import ChdbAdapter
from clickhouse.dialects import deadline_of, within
from clickhouse.engine import in_one_shape
from clickhouse.quoting import quote, quoted
from clickhouse.snapshot import Snapshot, of_a_snapshot
from clickhouse.thinning import Thinning, thinned

_AT_ONCE = 16 * 1024 * 1024
"""Bytes."""


class SampleColumns(TypedDict):
    """The labelled samples of a snapshot, sorted by (timestamp, symbol).

    features is float32 `[rows, features]` (the forest computes in float32), labels uint8 `[rows]`
    (index into the regimes), timestamps datetime64[s] `[rows]` in UTC, symbols str `[rows]`.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.uint8]
    timestamps: NDArray[np.datetime64]
    symbols: NDArray[np.object_]


@of_a_snapshot()
def read_samples(  # noqa: PLR0913
    engine: Engine,
    snapshot: Snapshot,
    features: Sequence[str],
    regimes: Sequence[str],
    *,
    label: str = "regime_label",
    since: np.datetime64 | None = None,
    thinning: Thinning | None = None,
    condition: str = "",
) -> SampleColumns:
    """Reads a snapshot or a part of it, oldest sample first.

    Args:
        engine: an engine on the server that holds the snapshot.
        snapshot: what to read.
        features: feature columns, in the order of the result's columns.
        regimes: known labels; a row with another label is left out (the gate refuses those).
        label: the label's column.
        since: rows from this moment on; None for all.
        thinning: which of the older rows stay; None for all.
        condition: which rows, in SQL; empty for all.

    Raises:
        ClickHouseUnavailable: if the answer breaks off; rows are never missing silently.
    """
    table = f"{quoted(snapshot.database)}.{quoted(snapshot.table)}"
    symbols_of = f"SELECT DISTINCT toString(symbol) AS s FROM {table} ORDER BY s"
    with engine.connect() as connection:
        symbols = np.array(list(connection.execute(text(symbols_of)).scalars()), dtype=object)
        where = [f"{quoted(label)} IN ({', '.join(map(quote, regimes))})"]
        if since is not None:
            where.append(f"toUInt32(timestamp) >= {since.astype('datetime64[s]').astype(int)}")
        if thinning is not None:
            where.append(thinned(connection, snapshot, regimes, label, thinning))
        where += [condition] if condition else []
        wanted = f"WHERE {' AND '.join(where)}"
        rows = connection.execute(text(f"SELECT count() FROM {table} {wanted}")).scalar_one()
    columns = [
        "toUInt32(timestamp)",
        # The server looks the symbols up itself: their names may be more than a query can hold.
        place_of("symbol", f"(SELECT groupArray(s) FROM ({symbols_of}))", "UInt32"),
        place_of(quoted(label), f"[{', '.join(map(quote, regimes))}]", "UInt8"),
        *(f"toFloat32({quoted(feature)})" for feature in features),
    ]
    selected = ", ".join(f"{sql} AS c{index}" for index, sql in enumerate(columns))
    query = f"SELECT {selected} FROM {table} {wanted}"

    def fill() -> SampleColumns:
        return _fill(_blocks(engine, query, len(features)), int(rows), len(features), symbols)

    try:
        # The embedded engine has nothing to wait for.
        embedded = engine.url.get_driver_name() == "chdb"
        return fill() if embedded else within(deadline_of(engine.url), fill)
    except Exception as error:
        # These bytes do not pass through SQLAlchemy, which else gives errors their shape.
        found = in_one_shape(engine.url, error)
        raise (found or error) from error


def _fill(
    blocks: Iterator[tuple[Any, ...]], rows: int, width: int, symbols: NDArray[np.object_]
) -> SampleColumns:
    # Feature-major, so that each block's column is one contiguous copy; the transposed view is
    # what the forest takes without another copy.
    matrix = np.empty((width, rows), np.float32)
    labels = np.empty(rows, np.uint8)
    keys = np.empty(rows, "<u8")
    codes, seconds = keys.view("<u4").reshape(rows, 2).T
    filled = 0
    for block in blocks:
        end = filled + len(block[0])
        if end > rows:
            raise EOFError(f"the answer has more than the {rows} rows that were asked for")
        seconds[filled:end], codes[filled:end], labels[filled:end] = block[:3]
        for index, column in enumerate(block[3:]):
            matrix[index, filled:end] = column
        filled = end
    if filled < rows:
        raise EOFError(f"the answer ended after {filled} of {rows} rows")
    # The server would merge parts that overlap in time, row by row.
    order = np.argsort(keys, kind="stable")
    for column in (keys, labels, *matrix):
        column[:] = column[order]
    return SampleColumns(
        features=matrix.T,
        labels=labels,
        timestamps=seconds.astype("datetime64[s]"),
        symbols=symbols[codes],
    )


def _blocks(engine: Engine, query: str, width: int) -> Iterator[tuple[Any, ...]]:
    if engine.url.get_driver_name() == "native":
        return _native_blocks(engine, query)
    return _row_binary_blocks(engine, query, width)


def _native_blocks(engine: Engine, query: str) -> Iterator[tuple[Any, ...]]:
    # A client of its own: a NumPy client breaks ordinary queries with mixed types.
    url = engine.url.update_query_dict({"use_numpy": "true"})
    (dsn,), _ = engine.dialect.create_connect_args(url)
    client = clickhouse_driver.Client.from_url(dsn)
    try:
        progress = client.execute_with_progress(query, columnar=True)
        for packet in progress.packet_generator:
            block = getattr(packet, "block", None)
            if block is not None and block.num_rows:
                yield tuple(block.get_columns())
    finally:
        client.disconnect()


def _row_binary_blocks(engine: Engine, query: str, width: int) -> Iterator[tuple[Any, ...]]:
    row = np.dtype([("t", "<u4"), ("s", "<u4"), ("y", "u1"), ("x", "<f4", (width,))])
    pooled = engine.raw_connection()
    try:
        transport: Any = pooled.driver_connection.transport  # type: ignore[union-attr]
        left = b""
        for piece in _row_binary(transport, query):
            read = left + piece
            whole = len(read) // row.itemsize * row.itemsize
            left = read[whole:]
            block = np.frombuffer(read[:whole], row)
            yield (block["t"], block["s"], block["y"], *block["x"].T)
    finally:
        pooled.close()


def _row_binary(transport: Any, query: str) -> Iterator[bytes]:
    adapter = transport.http.get_adapter(transport.db_url)
    if isinstance(adapter, ChdbAdapter):
        return adapter.pieces(query, "RowBinary")
    send = transport._send  # noqa: SLF001 - the driver's only way to the bytes of a response
    pieces: Iterator[bytes] = send(f"{query} FORMAT RowBinary", stream=True).iter_content(_AT_ONCE)
    return pieces


def place_of(column: str, names: str, kind: str) -> str:
    """SQL for the place of a column's text among names, as `UInt8` or `UInt32`; else its largest.

    It looks up in a hash table. `indexOf` compares each row with one name after the other.

    Args:
        column: SQL.
        names: SQL of an array of texts.
        kind: type of the place.
    """
    places = f"CAST(range(length({names})) AS Array({kind}))"
    listed = f"CAST({names} AS Array(String))"
    found = f"transform(toString({column}), {listed}, {places}, to{kind}(-1))"
    # Of a LowCardinality column it is a LowCardinality again.
    return f"CAST({found} AS {kind})"
