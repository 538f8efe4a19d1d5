"""A good frozen market, and SQL that makes other ones of it: a case loads no rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
from sqlalchemy import Engine, text

from clickhouse.engine import open_engine
from clickhouse.schema import apply_schema
from clickhouse.snapshot import freeze
from expectations.gate import FrozenTable, run_gate
from expectations.report import GateReport
from expectations.thresholds import Thresholds
from ml.contract import FEATURES, PRICED
from pipeline.tasks.check_data import CONTRACT
from sample_market import MarketSpec, simulate
from sample_market.loading import insert
from sample_market.spec import current_hour

# Whole days, so that a test does not depend on the hour it runs at.
LAST_HOUR = current_hour().replace(hour=23) - timedelta(days=1)

_ENGINE = "ENGINE = MergeTree ORDER BY (timestamp, symbol)"

# Conditions of rows, for the SQL of the cases.
ONE = "(symbol, timestamp) = (SELECT max((symbol, timestamp)) FROM good)"
SOME = "cityHash64(symbol, timestamp) % 20 = 0"
HALF = "cityHash64(symbol, timestamp) % 2 = 0"


def rows(where: str = "true", **columns: str) -> str:
    """SQL of the good rows, each named column replaced by an expression."""
    replaced = ", ".join(f"{expression} AS {column}" for column, expression in columns.items())
    star = f"* REPLACE ({replaced})" if columns else "*"
    # A condition beside a replaced column would speak of the replacement.
    return f"SELECT {star} FROM (SELECT * FROM good WHERE {where})"


def times_price(factor: float) -> dict[str, str]:
    """Columns of a market in which everything that is in prices is `factor` times as large."""
    return {name: f"{name} * {factor}" for name in PRICED}


class FrozenMarket:
    """The good market as table `good`, and a gate for what is made of it."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._folder = folder
        self._runs = 0
        apply_schema(engine)
        good = self._freeze(simulate(MarketSpec(rows=3600, seed=1, end=LAST_HOUR)))
        self._execute(f"RENAME TABLE {good} TO good")

    def judge(self, select: str, **bounds: object) -> GateReport:
        """Runs the gate on the rows of a query."""
        self._execute(f"CREATE OR REPLACE TABLE judged {_ENGINE} AS {select}")
        return self._gate("judged", bounds)

    def judge_loaded(self, *frames: pd.DataFrame, **bounds: object) -> GateReport:
        """Loads frames into the source table, one INSERT each, and runs the gate on the frozen."""
        return self._gate(self._freeze(*frames), bounds)

    def _freeze(self, *frames: pd.DataFrame) -> str:
        self._execute("TRUNCATE TABLE regime_features")
        for frame in frames:
            insert(self._engine, frame)
        return freeze(self._engine, "loaded", FEATURES).table

    def _gate(self, table: str, bounds: dict[str, object]) -> GateReport:
        # A folder for each run: the index of the pages reads all earlier results.
        self._runs += 1
        folder = self._folder / str(self._runs)
        frozen = FrozenTable("default", table, "battery", datetime.now(UTC))
        thresholds = replace(Thresholds(), **bounds)  # type: ignore[arg-type]
        return run_gate(self._engine, frozen, CONTRACT, thresholds, folder)

    def _execute(self, sql: str) -> None:
        with self._engine.connect() as connection:
            connection.execute(text(sql.replace(":", "\\:")))


@contextmanager
def open_market(folder: Path) -> Iterator[FrozenMarket]:
    """Opens the embedded engine for the tests of a module."""
    engine = open_engine(f"clickhouse+chdb:///default?path={folder / 'clickhouse'}")
    yield FrozenMarket(engine, folder / "docs")
    engine.dispose()
