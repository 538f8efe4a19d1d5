"""The data gate on a frozen table, against one statement that computes the same facts.

    python -m benchmarks.gate [--rows 10000 1000000 10000000] [--repetitions 5]

Time is the median of alternating repetitions in one process on one server; memory is what the
client process grows by while the gate runs, in a process of its own.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Engine, text
from tabulate import tabulate

from benchmarks.market_in_sql import insert_samples
from benchmarks.measuring import aim
from benchmarks.results import put_section
from clickhouse.engine import open_engine
from clickhouse.reading import read_samples
from clickhouse.schema import apply_schema
from clickhouse.snapshot import freeze
from expectations.gate import FrozenTable, run_gate
from expectations.rules.reference import Reference
from expectations.rules.sql import TABLE
from expectations.suite import LABEL, build_suite
from expectations.thresholds import Thresholds
from ml.contract import FEATURES, REGIMES
from ml.data.profile import profile_of
from ml.data.samples import Samples
from pipeline.tasks.check_data import CONTRACT
from tests.services.server import Server

_REFERENCE_ROWS = 20_000
_READING = """The statement holds every aggregate of the suite, and each list of rows as a subquery:
it is what the same facts cost without Great Expectations. The gate's time holds its Data Docs
page. Client memory is what the peak of the client's process grows by while both run; the imports
come before it."""


def one_statement(frozen: FrozenTable, reference: Reference | None) -> str:
    """Writes the facts of all rules as one statement: aggregates, and a subquery for each list."""
    table = f"{frozen.database}.{frozen.table}"
    balance = f"SELECT {LABEL} AS regime, count() AS samples FROM {table} GROUP BY regime"
    facts = [f"(SELECT toString(groupArray((regime, samples))) FROM ({balance}))"]
    facts += ["count()", f"uniqExact({LABEL})"]
    for rule in build_suite(CONTRACT, Thresholds(), reference).expectations:
        sql = rule.configuration.kwargs
        if "aggregate" in sql:
            facts.append(sql["aggregate"])
        elif "query" in sql:
            facts.append(f"(SELECT count() FROM ({sql['query'].replace(TABLE, table)}))")
    return f"SELECT {', '.join(dict.fromkeys(facts))} FROM {table}"


def judge(url: str, frozen: FrozenTable, reference: Reference, repetitions: int) -> dict[str, Any]:
    """Runs gate and statement by turns; returns their seconds and the growth of memory in MB."""
    engine = open_engine(url)
    statement = one_statement(frozen, reference).replace(":", "\\:")
    seconds: dict[str, list[float]] = {"gate": [], "statement": []}
    before = _peak_memory()
    with tempfile.TemporaryDirectory() as docs:
        for _ in range(repetitions):
            start = time.perf_counter()
            with engine.connect() as connection:
                connection.execute(text(statement)).all()
            between = time.perf_counter()
            report = run_gate(engine, frozen, CONTRACT, Thresholds(), Path(docs), reference)
            seconds["statement"].append(between - start)
            seconds["gate"].append(time.perf_counter() - between)
    engine.dispose()
    if not report.passed:
        raise SystemExit(report.as_text())
    return {name: median(values) for name, values in seconds.items()} | {
        "memory": _peak_memory() - before,
        "rules": len(report.rules),
    }


def _fill(engine: Engine, rows: int) -> Engine:
    with engine.connect() as connection:
        connection.execute(text("TRUNCATE TABLE regime_features"))
        connection.execute(text(insert_samples("regime_features", rows).replace(":", "\\:")))
    return engine


def measure(rows: int, protocol: str, repetitions: int) -> dict[str, Any]:
    """Fills and freezes a table on a server of its own and judges it in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder)).start()
        try:
            url = server.url(protocol)
            engine = open_engine(url)
            apply_schema(engine)
            trained_on = freeze(_fill(engine, _REFERENCE_ROWS), "production", FEATURES)
            samples = Samples(**read_samples(engine, trained_on, FEATURES, REGIMES))
            profile = Path(folder) / "profile.json"
            profile.write_text(json.dumps(profile_of(samples)), encoding="utf-8")
            snapshot = freeze(_fill(engine, rows), f"bench {rows}", FEATURES)
            engine.dispose()
            judged = subprocess.run(
                [
                    *(sys.executable, "-m", "benchmarks.gate", "--repetitions", str(repetitions)),
                    *("--judge", url.render_as_string(hide_password=False)),
                    *("--table", snapshot.database, snapshot.table),
                    *("--profile", profile),
                ],
                check=True,
                stdout=subprocess.PIPE,
            )
        finally:
            server.kill()
    found: dict[str, Any] = json.loads(judged.stdout)
    return {"rows": snapshot.rows, "protocol": protocol} | found


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000, 10_000_000])
    parser.add_argument("--protocols", nargs="+", default=["native"])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--judge", help=argparse.SUPPRESS)
    parser.add_argument("--table", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--profile", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.judge:
        frozen = FrozenTable(given.table[0], given.table[1], "bench", datetime.now(UTC))
        profile = Reference.from_dict(json.loads(given.profile.read_text(encoding="utf-8")))
        print(json.dumps(judge(given.judge, frozen, profile, given.repetitions)))
        return
    measured = [
        measure(rows, protocol, given.repetitions)
        for rows in given.rows
        for protocol in given.protocols
    ]
    table = as_table(measured)
    print(table)
    command = f"`python -m benchmarks.gate --repetitions {given.repetitions}`"
    largest = max(measured, key=lambda m: m["rows"])
    told = f"gate over one statement, {largest['rows']:,} rows"
    ratio = largest["gate"] / largest["statement"]
    met = aim(told, ratio, most=3, limit=ratio)
    made = f"{command}, {datetime.now(UTC):%Y-%m-%d}."
    put_section("Data gate", "\n\n".join([made, table, met, _READING]))


def as_table(measured: list[dict[str, Any]]) -> str:
    """Formats what was measured."""
    lines = [
        (
            f"{m['rows']:,}",
            m["protocol"],
            m["rules"],
            f"{m['gate']:.2f}",
            f"{m['statement']:.2f}",
            f"{m['gate'] / m['statement']:.1f}",
            f"{m['memory']:.0f}",
        )
        for m in measured
    ]
    headers = ("rows", "protocol", "rules", "gate s", "statement s", "ratio", "client memory MB")
    return tabulate(lines, headers, tablefmt="github", disable_numparse=True)


def _peak_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
