"""On a ClickHouse of two servers the gate says of a `Distributed` table what it says on one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import URL, text

from clickhouse.engine import open_engine, opened
from clickhouse.errors import ClickHouseRefused, ClickHouseUnavailable
from clickhouse.reading import read_samples
from clickhouse.schema import SCHEMA_FILE, apply_schema
from clickhouse.snapshot import Snapshot, freeze
from expectations.gate import FrozenTable, run_gate
from expectations.report import GateReport
from expectations.thresholds import Thresholds
from ml.contract import FEATURES, REGIMES
from pipeline.tasks.check_data import CONTRACT
from sample_market.loading import insert
from tests.services.server import REPOSITORY, Server, free_port

SECTION = "## ClickHouse on several machines"
LOCAL = "regime_features_local"
SHARD = "<shard><replica><host>127.0.0.1</host><port>{}</port></replica></shard>"
CLUSTER = "<remote_servers><market><secret>s3cr3t</secret>{}</market></remote_servers>"


def _execute(url: URL, *statements: str) -> list[tuple[object, ...]]:
    with opened(url) as engine, engine.connect() as connection:
        answers = [connection.execute(text(statement)) for statement in statements]
        return [tuple(row) for row in answers[-1].all()] if answers[-1].returns_rows else []


def _documented() -> list[str]:
    """The statements of docs/operations.md."""
    guide = (REPOSITORY / "docs/operations.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```sql\n(.*?)```", guide.split(SECTION)[1].split("\n## ")[0], re.DOTALL)
    return [" ".join(part.split()) for part in block.split(";") if part.strip()]


def _user(grants: list[str]) -> str:
    """A user with these rights, for whom a shard that is down may be left out."""
    queries = "".join(f"<query>{grant}</query>" for grant in grants)
    return f"""<clickhouse>
        <profiles><weekly><skip_unavailable_shards>1</skip_unavailable_shards></weekly></profiles>
        <users><weekly>
            <password>p</password><networks><ip>::/0</ip></networks>
            <profile>weekly</profile><quota>default</quota><grants>{queries}</grants>
        </weekly></users>
    </clickhouse>"""


@dataclass(frozen=True)
class Cluster:
    """Two servers, each with half of the symbols."""

    servers: tuple[Server, Server]

    def owner(self, number: int = 0) -> URL:
        return self.servers[number].url("native")

    def pipeline(self, protocol: str) -> URL:
        return self.servers[0].url(protocol, "weekly", "p", "default")

    def insert(self, market: pd.DataFrame) -> None:
        """Sends rows through the Distributed table and waits until the shards have them."""
        with opened(self.owner()) as engine:
            insert(engine, market)
        _execute(self.owner(), "SYSTEM FLUSH DISTRIBUTED regime_features")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    ports = (free_port(), free_port())
    further = CLUSTER.format("".join(map(SHARD.format, ports)))
    schema = SCHEMA_FILE.read_text(encoding="utf-8").replace(" regime_features", f" {LOCAL}")
    statements = _documented()
    rights = [part.partition(" TO ")[0] for part in statements if part.startswith("GRANT")]
    creating = [part for part in statements if not part.startswith("GRANT")]
    servers = tuple(Server(tmp_path / str(port), port, further=further) for port in ports)
    try:
        for server in servers:
            (server.folder / "users.d").mkdir(parents=True)
            user = _user([*rights, "GRANT SELECT ON alone.*"])
            (server.folder / "users.d" / "weekly.xml").write_text(user, encoding="utf-8")
            # Versions of a row are merged when it is read, not before.
            unmerged = f"SYSTEM STOP MERGES {LOCAL}"
            _execute(server.start().url("native"), schema, *creating, unmerged)
        yield Cluster((servers[0], servers[1]))
    finally:
        for server in servers:
            server.kill()


def _relabelled(market: pd.DataFrame) -> pd.DataFrame:
    """Rows that are written again: some with another label, some without theirs."""
    again = market[market["regime_label"] != ""][:300].copy()
    again["regime_label"] = ["trend_up"] * 100 + [""] * 100 + list(again["regime_label"][200:])
    return again


def _judged(url: URL, run_id: str, docs: Path) -> tuple[Snapshot, GateReport]:
    engine = open_engine(url)
    snapshot = freeze(engine, run_id, FEATURES, database="regime_snapshots")
    frozen = FrozenTable(snapshot.database, snapshot.table, run_id, datetime.now(UTC))
    report = run_gate(engine, frozen, CONTRACT, Thresholds(), docs)
    read = read_samples(engine, snapshot, FEATURES, REGIMES)
    assert len(read["features"]) == snapshot.rows
    engine.dispose()
    return snapshot, report


def test_market_on_two_servers_gets_the_snapshot_and_report_of_one(
    cluster: Cluster, market: pd.DataFrame, tmp_path: Path
) -> None:
    spoiled = market.copy()
    spoiled.loc[spoiled.index[spoiled["regime_label"] != ""][500:503], "adx"] = float("inf")
    _execute(cluster.owner(), "CREATE DATABASE alone")
    alone = cluster.owner().set(database="alone")
    for name, rows in {"good": market, "bad": spoiled}.items():
        with opened(alone) as engine:
            apply_schema(engine)
            insert(engine, rows)
            insert(engine, _relabelled(rows))
        cluster.insert(rows)
        cluster.insert(_relabelled(rows))
        halves = [_execute(cluster.owner(n), f"SELECT count() FROM {LOCAL}")[0][0] for n in (0, 1)]
        assert all(halves) and sum(halves) == len(rows) + 300

        one, expected = _judged(
            cluster.pipeline("native").set(database="alone"), f"{name} one", tmp_path / "docs"
        )
        assert expected.passed == (name == "good")
        for protocol in ("native", "http"):
            url = cluster.pipeline(protocol)
            two, report = _judged(url, f"{name} {protocol}", tmp_path / "docs")
            assert (two.rows, two.fingerprint) == (one.rows, one.fingerprint)
            assert report.rules == expected.rules
            assert (report.classes, report.samples) == (expected.classes, expected.samples)
            assert report.verdict == expected.verdict
        for number in (0, 1):
            _execute(cluster.owner(number), f"TRUNCATE TABLE {LOCAL}")
        _execute(alone, "TRUNCATE TABLE regime_features")


def test_versions_of_a_row_on_two_shards_are_refused_by_name(
    cluster: Cluster, market: pd.DataFrame
) -> None:
    cluster.insert(market)
    moved = market[market["regime_label"] != ""].iloc[[7]]
    (symbol, timestamp) = moved[["symbol", "timestamp"]].iloc[0]
    held = f"SELECT count() FROM {LOCAL} WHERE symbol = '{symbol}'"
    wrong = 1 if _execute(cluster.owner(0), held)[0][0] else 0
    with opened(cluster.owner(wrong)) as engine:
        # Another hour of the symbol there is no trouble: its rows may be spread.
        elsewhere = moved.assign(timestamp=timestamp - pd.Timedelta(days=300))
        insert(engine, elsewhere, LOCAL)
        with opened(cluster.pipeline("native")) as pipeline:
            assert freeze(pipeline, "spread", FEATURES, database="regime_snapshots").rows == 2001
        insert(engine, moved.assign(regime_label=""), LOCAL)
    said = f"the row {symbol} {timestamp:%Y-%m-%d %H:%M:%S} on its shards 1 and 2"
    for protocol in ("native", "http"):
        with (
            opened(cluster.pipeline(protocol)) as pipeline,
            pytest.raises(ClickHouseRefused, match=said),
        ):
            freeze(pipeline, "apart", FEATURES, database="regime_snapshots")


def test_shard_that_is_down_is_told_and_never_left_out(
    cluster: Cluster, market: pd.DataFrame
) -> None:
    cluster.insert(market)
    cluster.servers[1].kill()
    for protocol in ("native", "http"):
        with opened(cluster.pipeline(protocol)) as pipeline, pytest.raises(ClickHouseUnavailable):
            freeze(pipeline, "half", FEATURES, database="regime_snapshots")
