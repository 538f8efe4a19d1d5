"""The same market through embedded ClickHouse, native and HTTP: same answers, and what each costs.

    python -m benchmarks.protocols [--rows 200000] [--repetitions 5]

The server is one of its own on this machine. Each step is the median of alternating repetitions in
one process, after one that does not count. The section "Protocols" of RESULTS.md is written anew.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median

import pandas as pd
from sqlalchemy import Engine, text
from tabulate import tabulate

from benchmarks.results import put_section
from clickhouse.engine import open_engine
from clickhouse.reading import read_samples
from clickhouse.schema import apply_schema
from clickhouse.snapshot import Snapshot, freeze, verify
from expectations.gate import FrozenTable, run_gate
from expectations.report import GateReport
from expectations.run_record import ClassCount, RuleRecord
from expectations.thresholds import Thresholds
from ml.contract import FEATURES, REGIMES
from ml.data.samples import Samples
from ml.data.split import split_by_time
from ml.training.forest import TrainingOptions, fit_forest
from pipeline.tasks.check_data import CONTRACT
from sample_market import MarketSpec, simulate
from sample_market.loading import insert
from tests.services.server import Server

PROTOCOLS = ("chdb", "native", "http")
STEPS = ("snapshot", "gate", "reading")
TREES = 20
"""Enough to tell whether the samples are the same; the model of a run has 200."""


@dataclass(frozen=True)
class Facts:
    """What must not depend on the protocol."""

    rows: int
    fingerprint: str
    rules: tuple[RuleRecord, ...]
    classes: tuple[ClassCount, ...]
    accuracy: float


@dataclass(frozen=True)
class Passage:
    """The three steps, gone through once."""

    snapshot: Snapshot
    report: GateReport
    samples: Samples
    seconds: dict[str, float]

    def facts(self) -> Facts:
        """What came of it; trains a forest for the accuracy."""
        return Facts(
            self.snapshot.rows,
            self.snapshot.fingerprint,
            self.report.rules,
            self.report.classes,
            accuracy=_accuracy(self.samples),
        )


@dataclass(frozen=True)
class Measured:
    """One protocol: the server's version, what came of the steps, and each one's median seconds."""

    protocol: str
    version: str
    facts: Facts
    seconds: dict[str, float]


def compare(rows: int, repetitions: int, folder: Path) -> list[Measured]:
    """Runs the steps over each protocol by turns on the same `rows` labelled samples.

    Raises:
        SystemExit: if two protocols do not give the same facts.
    """
    market = simulate(MarketSpec(rows=rows, labelled_share=1.0))
    docs = folder / "docs"
    with _engines(market, folder) as engines:
        versions = {name: _version(engine) for name, engine in engines.items()}
        facts = {name: pass_through(engine, name, docs).facts() for name, engine in engines.items()}
        seconds: dict[str, list[dict[str, float]]] = {name: [] for name in engines}
        for _ in range(repetitions):
            for name, engine in engines.items():
                seconds[name].append(pass_through(engine, name, docs).seconds)
    if any(one != facts["chdb"] for one in facts.values()):
        raise SystemExit(f"The protocols do not agree: {facts}")
    return [
        Measured(name, versions[name], facts[name], _medians(seconds[name])) for name in PROTOCOLS
    ]


def pass_through(engine: Engine, run_id: str, docs: Path) -> Passage:
    """Freezes, judges and reads as a run does."""
    times = [time.perf_counter()]
    snapshot = freeze(engine, run_id, FEATURES)
    times.append(time.perf_counter())
    frozen = FrozenTable(snapshot.database, snapshot.table, run_id, datetime.now(UTC))
    report = run_gate(engine, frozen, CONTRACT, Thresholds(), docs)
    times.append(time.perf_counter())
    samples = _read(engine, snapshot)
    times.append(time.perf_counter())
    seconds = [end - start for start, end in pairwise(times)]
    return Passage(snapshot, report, samples, dict(zip(STEPS, seconds, strict=True)))


def _medians(passages: list[dict[str, float]]) -> dict[str, float]:
    return {step: median(passage[step] for passage in passages) for step in STEPS}


def _read(engine: Engine, snapshot: Snapshot) -> Samples:
    """As `train_model` and `validate_model` read."""
    verify(engine, snapshot)
    return Samples(**read_samples(engine, snapshot, FEATURES, REGIMES))


def _accuracy(samples: Samples) -> float:
    """Accuracy of a small forest on the newest fifth."""
    split = split_by_time(samples.timestamps, 0.2, timedelta(hours=24))
    training, holdout = samples.rows(split.training), samples.rows(split.holdout)
    forest = fit_forest(training.features, training.labels, TrainingOptions(trees=TREES))
    return float((forest.predict(holdout.features) == holdout.labels).mean())


@contextmanager
def _engines(market: pd.DataFrame, folder: Path) -> Iterator[dict[str, Engine]]:
    """An engine for each protocol; native and HTTP find the same table of the same server."""
    with ExitStack() as opened:
        server = Server(folder / "server").start()
        opened.callback(server.kill)
        embedded = f"clickhouse+chdb:///default?path={folder / 'clickhouse'}"
        engines = {
            "chdb": open_engine(embedded),
            "native": open_engine(server.url("native")),
            "http": open_engine(server.url("http")),
        }
        for name, engine in engines.items():
            opened.callback(engine.dispose)
            if name != "http":
                apply_schema(engine)
                insert(engine, market)
        yield engines


def _version(engine: Engine) -> str:
    with engine.connect() as connection:
        return str(connection.execute(text("SELECT version()")).scalar_one())


def as_table(measured: list[Measured]) -> str:
    """Formats what was measured, with the ratio of each step to that of the embedded engine."""
    lines = []
    for one in measured:
        facts = one.facts
        held = sum(rule.passed for rule in facts.rules)
        line = [one.protocol, one.version, f"{facts.rows:,}", facts.fingerprint[:12]]
        line += [f"{held} of {len(facts.rules)} hold", f"{facts.accuracy:.4%}"]
        for step in STEPS:
            line += [
                f"{one.seconds[step]:.3f}",
                f"{one.seconds[step] / measured[0].seconds[step]:.2f}",
            ]
        lines.append(line)
    timed = [header for step in STEPS for header in (f"{step} s", "× chdb")]
    headers = ("protocol", "version", "rows", "fingerprint", "rules", "accuracy", *timed)
    return tabulate(lines, headers, tablefmt="github", disable_numparse=True)


def as_section(measured: list[Measured], repetitions: int) -> str:
    """The section of RESULTS.md."""
    rows = measured[0].facts.rows
    return f"""`python -m benchmarks.protocols --rows {rows} --repetitions {repetitions}`,
{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, server on the same machine.

{as_table(measured)}

Rows, fingerprint, what each rule and class observed, and the accuracy on the newest fifth (of a
forest of {TREES} trees) are equal on all three; the command fails if they are not. Seconds are
medians of {repetitions} alternating repetitions. The gate includes its Data Docs page; reading
includes the check of the fingerprint.
"""


def main() -> None:
    """Measures, prints the table and keeps it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="labelled samples")
    parser.add_argument("--repetitions", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measured = compare(given.rows, given.repetitions, Path(folder))
    print(as_table(measured))
    put_section("Protocols", as_section(measured, given.repetitions))


if __name__ == "__main__":
    main()
