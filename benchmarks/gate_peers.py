"""The data gate against other ways to check the same table.

    python -m benchmarks.gate_peers [--sizes 1000000:5 10000000:1]

The peers check what each of them can: rows, number of regimes, known labels, each sample once, and
of every feature that it is finite and within its range. Ours is the whole suite with its Data Docs.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations import expectations as gxe
from great_expectations.data_context.types.base import ProgressBarsConfig
from sqlalchemy import make_url

from benchmarks.measuring import aim, by_turns, growth_in_mb, in_child, made_by, table_of
from benchmarks.results import put_section
from benchmarks.tables import freeze_random, running_server, url_of
from clickhouse.engine import open_engine, opened
from clickhouse.snapshot import Snapshot
from expectations.gate import FrozenTable, run_gate
from expectations.suite import LABEL
from expectations.thresholds import Thresholds
from ml.contract import FEATURES, POSITIVE, RANGES, REGIMES
from pipeline.tasks.check_data import CONTRACT

_LARGEST = 3.4e38
_KEY = ["symbol", "timestamp"]
_FRAMES = ("GX on a pandas frame", "pandera on a frame")
_NOTES = """Ours judges the whole suite, with drift left out, and writes its page; the peers judge
the {facts} facts that all of them can express, and write nothing. The frame ways first read the
table with clickhouse-connect's `query_df`, the fastest way to a frame. Pointblank asks ClickHouse
through Ibis; Soda Core speaks to ClickHouse only through MySQL's protocol, in its former version
3, and is left out. Memory is the growth of the peak of a process that runs once, imports before
it. Seconds are medians of so many alternating rounds."""


def bounds() -> dict[str, tuple[float, float]]:
    """Smallest and largest value of each feature; NaN and infinity lie outside."""
    low = {feature: 5e-324 if feature in POSITIVE else -_LARGEST for feature in FEATURES}
    found = {feature: RANGES.get(feature, (low[feature], _LARGEST)) for feature in FEATURES}
    return {feature: (a, min(b, _LARGEST)) for feature, (a, b) in found.items()}


def stock_suite() -> gx.ExpectationSuite:
    """The facts as the expectations that Great Expectations ships."""
    ranges = bounds().items()
    rules = [
        gxe.ExpectTableRowCountToBeBetween(min_value=300),
        gxe.ExpectColumnUniqueValueCountToBeBetween(column=LABEL, min_value=3),
        gxe.ExpectColumnValuesToBeInSet(column=LABEL, value_set=list(REGIMES)),
        gxe.ExpectCompoundColumnsToBeUnique(column_list=_KEY),
        *(gxe.ExpectColumnValuesToNotBeNull(column=name) for name in FEATURES),
        *(
            gxe.ExpectColumnValuesToBeBetween(column=name, min_value=low, max_value=high)
            for name, (low, high) in ranges
        ),
    ]
    return gx.ExpectationSuite(name="stock", expectations=rules)


def ways_of(url: str, http: str, snapshot: Snapshot, docs: Path) -> dict[str, Callable[[], Any]]:
    """Every way to judge a table of a server, by name."""
    import clickhouse_connect  # noqa: PLC0415 - a peer

    engine, server = open_engine(url), make_url(http)
    place = {"host": str(server.host), "port": int(server.port or 0)}
    connect = clickhouse_connect.get_client(**place)

    def frame() -> pd.DataFrame:
        found: pd.DataFrame = connect.query_df(f"SELECT * FROM {snapshot.name}")
        return found

    return {
        "ours": lambda: judge_ours(engine, snapshot, docs),
        "GX, stock expectations": lambda: _require(_stock_on_table(url, snapshot)),
        "Pointblank on ClickHouse": lambda: _require(_pointblank(place, snapshot)),
        "GX on a pandas frame": lambda: _require(_stock_on_frame(frame())),
        "pandera on a frame": lambda: _pandera(frame()),
    }


def judge_ours(engine: Any, snapshot: Snapshot, docs: Path) -> None:
    """The gate as `check_data` runs it, without a production model."""
    frozen = FrozenTable(snapshot.database, snapshot.table, "bench", datetime.now(UTC))
    report = run_gate(engine, frozen, CONTRACT, Thresholds(), docs)
    if not report.passed:
        raise SystemExit(report.as_text())


def _require(passed: Any) -> None:
    if not passed:
        raise SystemExit("a peer finds a fault in a table without one")


def _stock_on_table(url: str, snapshot: Snapshot) -> Any:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_sql("clickhouse", connection_string=url)
    asset = source.add_table_asset(name="table", table_name=snapshot.table)
    batch = asset.add_batch_definition_whole_table("all").get_batch()
    return batch.validate(stock_suite()).success


def _stock_on_frame(frame: pd.DataFrame) -> Any:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("pandas").add_dataframe_asset("frame")
    definition = asset.add_batch_definition_whole_dataframe("all")
    batch = definition.get_batch(batch_parameters={"dataframe": frame})
    return batch.validate(stock_suite()).success


def _pandera(frame: pd.DataFrame) -> None:
    import pandera.pandas as pa  # noqa: PLC0415 - a peer

    columns = {
        name: pa.Column(checks=pa.Check.in_range(low, high), nullable=False)
        for name, (low, high) in bounds().items()
    }
    columns[LABEL] = pa.Column(checks=pa.Check.isin(list(REGIMES)))
    checks = [pa.Check(lambda df: len(df) >= 300), pa.Check(lambda df: df[LABEL].nunique() >= 3)]
    pa.DataFrameSchema(columns, checks=checks, unique=_KEY).validate(frame, lazy=True)


def _pointblank(place: dict[str, Any], snapshot: Snapshot) -> Any:
    import ibis  # noqa: PLC0415 - a peer
    import pointblank as pb  # noqa: PLC0415 - a peer

    connection = ibis.clickhouse.connect(**place)
    check = pb.Validate(connection.table(snapshot.table)).col_vals_in_set(LABEL, list(REGIMES))
    check = check.rows_distinct(columns_subset=_KEY)
    for name, (low, high) in bounds().items():
        check = check.col_vals_not_null(name).col_vals_between(name, low, high)
    return check.interrogate(collect_extracts=False).all_passed()


def measure(rows: int, repetitions: int) -> list[dict[str, Any]]:
    """Times all by turns in one process, and takes the memory of each in its own."""
    with running_server() as server:
        with opened(server.url("native")) as engine:
            snapshot = freeze_random(engine, rows)
        task: dict[str, Any] = {"url": url_of(server, "native"), "http": url_of(server, "http")}
        task |= {"snapshot": snapshot.to_dict()}
        found = in_child("benchmarks.gate_peers", repetitions=repetitions, **task)
        return [
            {
                "rows": snapshot.rows,
                "rounds": repetitions,
                "way": way,
                "seconds": seconds,
                "memory": in_child("benchmarks.gate_peers", only=way, **task),
            }
            for way, seconds in found.items()
        ]


def _do(task: dict[str, Any]) -> Any:
    snapshot = Snapshot(**task["snapshot"])
    with tempfile.TemporaryDirectory() as docs:
        ways = ways_of(task["url"], task["http"], snapshot, Path(docs))
        if "only" in task:
            return growth_in_mb(ways[task["only"]])
        return by_turns(ways, task["repetitions"], warm=task["repetitions"] > 1)


def aims_of(lines: list[dict[str, Any]]) -> list[str]:
    """What was aimed at, of the largest table."""
    rows = max(line["rows"] for line in lines)
    own = {line["way"]: line for line in lines if line["rows"] == rows}
    aims = []
    for what, kind, least in (("seconds", "seconds", 5), ("client memory", "memory", 20)):
        times = {way: own[way][kind] / own["ours"][kind] for way in own if way != "ours"}
        best = min(times, key=lambda way: times[way])
        aims += [
            aim(
                f"{way} over ours, {what}, {rows:,} rows",
                times[way],
                least=least,
                peer=(best, times[best]),
            )
            for way in _FRAMES
        ]
    return aims


def as_table(lines: list[dict[str, Any]]) -> str:
    """Formats what was measured."""
    ours = {line["rows"]: line for line in lines if line["way"] == "ours"}
    cells = [
        (
            f"{line['rows']:,}",
            line["rounds"],
            line["way"],
            f"{line['seconds']:.2f}",
            f"{line['seconds'] / ours[line['rows']]['seconds']:.1f}",
            f"{line['memory']:.0f}",
            f"{line['memory'] / ours[line['rows']]['memory']:.0f}",
        )
        for line in lines
    ]
    return table_of(("rows", "rounds", "way", "s", "× ours", "memory MB", "× ours"), cells)


def main() -> None:
    """Measures, prints the table and keeps it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=["1000000:5"], help="rows:rounds")
    parser.add_argument("--task", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        print(json.dumps(_do(given.task)))
        return
    sizes = [tuple(map(int, size.split(":"))) for size in given.sizes]
    lines: list[dict[str, Any]] = []
    for size in sizes:
        lines += measure(*size)
        _keep(given.sizes, lines)


def _keep(sizes: list[str], lines: list[dict[str, Any]]) -> None:
    """Prints and keeps what is known by now: the larger sizes take long."""
    print(as_table(lines))
    made = made_by(
        f"python -m benchmarks.gate_peers --sizes {' '.join(sizes)}",
        *("great-expectations", "pandas", "pandera", "pointblank", "ibis-framework"),
    )
    notes = _NOTES.format(facts=len(stock_suite().expectations))
    body = [made, as_table(lines), "\n".join(aims_of(lines)), notes]
    put_section("Data gate and other ways", "\n\n".join(body))


if __name__ == "__main__":
    main()
