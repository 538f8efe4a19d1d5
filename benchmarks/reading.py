"""Reading a frozen table into arrays, against the same query sent nowhere, and other ways to read.

    python -m benchmarks.reading [--rows 1000000 10000000] [--repetitions 5]

Every way ends with the same float32 matrix, labels, times and symbols. Peers are those of
requirements-bench.txt.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import clickhouse_driver
import numpy as np
import pandas as pd
import requests
from sqlalchemy import Engine, make_url, text

from benchmarks.measuring import aim, by_turns, growth_in_mb, in_child, made_by, table_of
from benchmarks.results import put_section
from benchmarks.tables import embedded_random, freeze_random, running_server, url_of
from clickhouse.engine import open_engine, opened
from clickhouse.reading import place_of, read_samples
from clickhouse.snapshot import Snapshot
from ml.contract import FEATURES, REGIMES

SLOW_ROWS = 1_000_000
"""pandas.read_sql makes a Python object of every value: ten million rows would take 15 GB."""

_NULL = "FORMAT Null"
_ONE_NULL = "FORMAT Null, one sorted part"
_ONE = "ours, native, one sorted part"
_LABEL = place_of("regime_label", str(list(REGIMES)), "UInt8")
_NOTES = """Limit: the same query with `FORMAT Null`, so the server does everything but send. A
frozen table has several parts that overlap in time; the one sorted part is what OPTIMIZE makes of
them. The peers have the server put the rows in order, ours sorts what arrives. Ours reads the whole
`SampleColumns`, the others `X`, labels, times and symbols of the same query; pandas.read_sql reads
the columns as they are. Memory is the growth of the peak of a process that reads once, also as a
multiple of the float32 matrix."""


def query_of(snapshot: Snapshot) -> str:
    """The columns that training needs, computed by the server, oldest first."""
    columns = ["toUInt32(timestamp) AS t", "toString(symbol) AS s", f"{_LABEL} AS y"]
    columns += [f"toFloat32({feature}) AS x{k}" for k, feature in enumerate(FEATURES)]
    return f"SELECT {', '.join(columns)} FROM {snapshot.name} ORDER BY timestamp, symbol"


def ways_of(url: str, http: str, snapshot: Snapshot, *, slow: bool) -> dict[str, Callable[[], Any]]:
    """Every way to read a table of a server, by name.

    Args:
        url: its native address.
        http: its HTTP address.
        snapshot: what to read.
        slow: whether to include pandas.read_sql.
    """
    import clickhouse_connect  # noqa: PLC0415 - a peer

    engine, query, one = open_engine(url), query_of(snapshot), _one_part(snapshot)
    server = make_url(http)
    host, port = str(server.host), int(server.port or 0)
    connect = clickhouse_connect.get_client(host=host, port=port)
    driver = clickhouse_driver.Client.from_url(f"{url.replace('+native', '')}?use_numpy=true")
    ways = {
        _NULL: lambda: _sent_nowhere(host, port, query),
        _ONE_NULL: lambda: _sent_nowhere(host, port, query_of(one)),
        "ours, native": lambda: read_ours(engine, snapshot),
        _ONE: lambda: read_ours(engine, one),
        "ours, http": lambda: read_ours(open_engine(http), snapshot),
        "clickhouse-connect numpy": lambda: _of_structured(connect.query_np(query)),
        "clickhouse-connect arrow": lambda: _of_arrow(connect.query_arrow(query)),
        "clickhouse-connect frame": lambda: _of_frame(connect.query_df(query)),
        "clickhouse-driver frame": lambda: _of_frame(driver.query_dataframe(query)),
    }
    if slow:
        ways["pandas.read_sql"] = lambda: _of_raw_frame(_read_sql(engine, snapshot))
    return ways


def _one_part(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, table=f"{snapshot.table}_one")


def _merge(engine: Engine, snapshot: Snapshot) -> None:
    name = _one_part(snapshot).name
    with engine.connect() as connection:
        connection.execute(text(f"CREATE TABLE {name} AS {snapshot.name}"))
        connection.execute(text(f"INSERT INTO {name} SELECT * FROM {snapshot.name}"))
        connection.execute(text(f"OPTIMIZE TABLE {name} FINAL"))


def read_ours(engine: Engine, snapshot: Snapshot) -> Any:
    """Reads as `train_model` does."""
    return read_samples(engine, snapshot, FEATURES, REGIMES)


def _sent_nowhere(host: str, port: int, query: str) -> None:
    answer = requests.post(f"http://{host}:{port}/", f"{query} FORMAT Null", timeout=600)
    answer.raise_for_status()


def _of_structured(rows: Any) -> Any:
    if rows.dtype == object:  # mixed types come as objects
        rows = pd.DataFrame(rows)
        return rows.iloc[:, 3:].to_numpy(np.float32), rows.iloc[:, :3]
    return np.column_stack([rows[f"x{k}"] for k in range(len(FEATURES))]), rows["y"], rows["t"]


def _of_arrow(table: Any) -> Any:
    matrix = np.empty((len(FEATURES), table.num_rows), np.float32)
    for k in range(len(FEATURES)):
        matrix[k] = table.column(f"x{k}").to_numpy()
    return matrix.T, table.column("y").to_numpy(), table.column("t").to_numpy(), table.column("s")


def _of_frame(frame: pd.DataFrame) -> Any:
    features = frame[[f"x{k}" for k in range(len(FEATURES))]].to_numpy(np.float32)
    return features, frame["y"], frame["t"], frame["s"]


def _read_sql(engine: Engine, snapshot: Snapshot) -> pd.DataFrame:
    query = f"SELECT * FROM {snapshot.name} ORDER BY timestamp, symbol"
    with engine.connect() as connection:
        return pd.read_sql(text(query), connection)


def _of_raw_frame(frame: pd.DataFrame) -> Any:
    return frame[list(FEATURES)].to_numpy(np.float32), frame["regime_label"].map(REGIMES.index)


def measure(rows: int, repetitions: int) -> list[dict[str, Any]]:
    """Times every way by turns in one process, and takes the memory of each in its own."""
    with running_server() as server:
        with opened(server.url("native")) as engine:
            snapshot = freeze_random(engine, rows)
            _merge(engine, snapshot)
        task: dict[str, Any] = {"url": url_of(server, "native"), "http": url_of(server, "http")}
        task |= {"snapshot": snapshot.to_dict(), "slow": rows <= SLOW_ROWS}
        found = in_child("benchmarks.reading", repetitions=repetitions, **task)
        lines = [
            {
                "rows": snapshot.rows,
                "way": way,
                "seconds": seconds,
                "memory": in_child("benchmarks.reading", only=way, **task),
            }
            for way, seconds in found.items()
        ]
    with embedded_random(rows) as (url, snapshot):
        embedded: dict[str, Any] = {"url": str(url), "snapshot": snapshot.to_dict()}
        found = in_child("benchmarks.reading", embedded=repetitions, **embedded)
    return [*lines, {"rows": snapshot.rows, "way": "ours, chDB", **found}]


def _do(task: dict[str, Any]) -> Any:
    """What a child does: times, or the memory of one way."""
    snapshot = Snapshot(**task["snapshot"])
    if "embedded" in task:
        with opened(task["url"]) as engine:
            with engine.connect() as connection:  # the engine's own memory is not of reading
                connection.execute(text(f"SELECT count() FROM {snapshot.name}"))
            memory = growth_in_mb(lambda: read_ours(engine, snapshot))
            ways = {"ours": lambda: read_ours(engine, snapshot)}
            return {"memory": memory, "seconds": by_turns(ways, task["embedded"])["ours"]}
    ways = ways_of(task["url"], task["http"], snapshot, slow=task["slow"])
    if "only" in task:
        return growth_in_mb(ways[task["only"]])
    return by_turns(ways, task["repetitions"])


def matrix_mb(rows: int) -> float:
    """Size of the float32 matrix."""
    return rows * len(FEATURES) * 4 / 2**20


def aims_of(lines: list[dict[str, Any]]) -> list[str]:
    """What was aimed at."""
    rows, own = lines[0]["rows"], {line["way"]: line for line in lines}
    peers = [x for way, x in own.items() if _NULL not in way and "ours" not in way]
    fastest = min(peers, key=lambda line: line["seconds"])
    smallest = min(peers, key=lambda line: line["memory"])
    seconds = own["ours, native"]["seconds"]
    ratio, limit = seconds / fastest["seconds"], seconds / own[_NULL]["seconds"]
    told = f"reading {rows:,} rows, seconds over the fastest peer's ({fastest['way']})"
    aims = [aim(told, ratio, most=1.0, limit=limit, peer=(fastest["way"], 1 / ratio))]
    told, ratio = (
        f"reading {rows:,} labelled rows over one sorted part",
        seconds / own[_ONE]["seconds"],
    )
    aims.append(aim(told, ratio, most=2, limit=seconds / own[_ONE_NULL]["seconds"]))
    for way, most in (("ours, native", 1.3), ("ours, chDB", 2.5)):
        told = f"memory of reading {rows:,} rows over the matrix ({way})"
        memory = own[way]["memory"]
        times, peer = memory / matrix_mb(rows), (smallest["way"], smallest["memory"] / memory)
        aims.append(aim(told, times, most=most, limit=times, peer=peer))
    return aims


def as_table(lines: list[dict[str, Any]]) -> str:
    """Formats what was measured."""
    (limit,) = [line["seconds"] for line in lines if line["way"] == _NULL]
    cells = [
        (
            line["way"],
            f"{line['seconds']:.2f}",
            f"{line['seconds'] / limit:.1f}",
            f"{line['memory']:.0f}",
            f"{line['memory'] / matrix_mb(line['rows']):.2f}",
        )
        for line in lines
    ]
    return table_of(("way", "s", "× limit", "memory MB", "× matrix"), cells)


def main() -> None:
    """Measures, prints the table and keeps it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--task", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        print(json.dumps(_do(given.task)))
        return
    put_section("Reading samples", _NOTES)
    for rows in given.rows:
        lines = measure(rows, given.repetitions)
        table = as_table(lines)
        print(table)
        command = f"python -m benchmarks.reading --rows {rows} --repetitions {given.repetitions}"
        made = made_by(command, "clickhouse-driver", "clickhouse-connect", "pandas", "chdb")
        body = [made, table, "\n".join(aims_of(lines))]
        put_section(f"Reading {rows:,} samples", "\n\n".join(body))


if __name__ == "__main__":
    main()
