"""The gate says on a server, with the rights of the pipeline's user, what it says on chDB."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clickhouse.engine import open_engine
from clickhouse.schema import apply_schema
from clickhouse.snapshot import freeze
from expectations.gate import FrozenTable, run_gate
from expectations.report import GateReport
from expectations.thresholds import Thresholds
from ml.contract import FEATURES
from pipeline.tasks.check_data import CONTRACT
from sample_market.loading import insert
from tests.services.ways import Way, embedded_way

Spoil = Callable[[pd.DataFrame], pd.DataFrame]


def _with(column: str, value: Any, rows: int) -> Spoil:
    """Changes a column in the first labelled rows."""

    def spoil(market: pd.DataFrame) -> pd.DataFrame:
        spoiled = market.copy()
        spoiled.loc[spoiled.index[spoiled["regime_label"] != ""][:rows], column] = value
        return spoiled

    return spoil


def _rare(market: pd.DataFrame) -> pd.DataFrame:
    of_range = market.index[market["regime_label"] == "range"]
    return market.drop(of_range[9:])


MARKETS: dict[str, tuple[Spoil, set[str]]] = {
    "good": (lambda market: market, set()),
    "not a number": (_with("adx", np.nan, 3), {"finite adx"}),
    "infinite": (_with("volume_24h", np.inf, 1), {"finite volume_24h"}),
    "rare regime": (_rare, {"class balance"}),
    "unknown label": (_with("regime_label", "Trend 'Up' \\", 20), {"known labels"}),
    "too few": (lambda market: market[:600], {"labelled samples"}),
    "none": (lambda market: market.assign(regime_label=""), {"labelled samples"}),
}


def _judge(way: Way, market: pd.DataFrame, docs: Path) -> GateReport:
    owner = open_engine(way.owner)
    apply_schema(owner)
    insert(owner, market)
    owner.dispose()
    engine = open_engine(way.pipeline)
    snapshot = freeze(engine, "run", FEATURES, database=way.snapshots)
    frozen = FrozenTable(snapshot.database, snapshot.table, "run", datetime.now(UTC))
    report = run_gate(engine, frozen, CONTRACT, Thresholds(), docs)
    engine.dispose()
    return report


@dataclass(frozen=True)
class Case:
    """A market, the rules it breaks at least, and what the gate says of it on chDB."""

    market: pd.DataFrame
    broken: set[str]
    expected: GateReport


@pytest.fixture(scope="module", params=MARKETS)
def case(
    request: pytest.FixtureRequest, market: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Case:
    spoil, broken = MARKETS[request.param]
    folder = tmp_path_factory.mktemp("embedded")
    return Case(spoil(market), broken, _judge(embedded_way(folder), spoil(market), folder / "docs"))


@pytest.mark.parametrize("way", ["native", "http"], indirect=True)
def test_market_judged_on_a_server_gets_the_report_of_chdb(
    way: Way, case: Case, tmp_path: Path
) -> None:
    report = _judge(way, case.market, tmp_path / "docs")
    assert {rule.rule for rule in report.failed_rules} >= case.broken
    assert report.passed == (not case.broken)
    assert report.rules == case.expected.rules
    assert report.classes == case.expected.classes
    assert report.samples == case.expected.samples
    page = Path(str(report.page)).read_text(encoding="utf-8")
    assert not [secret for secret in way.secrets if secret in page]
