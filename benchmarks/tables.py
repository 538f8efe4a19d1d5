"""Frozen tables on a ClickHouse server of their own, for the benchmarks to read."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Engine, make_url, text

from benchmarks.market_in_sql import insert_samples
from clickhouse.engine import opened
from clickhouse.schema import apply_schema
from clickhouse.snapshot import Snapshot, freeze
from ml.contract import FEATURES
from sample_market import MarketSpec, simulate
from sample_market.loading import insert
from tests.services.server import Server


@contextmanager
def running_server() -> Iterator[Server]:
    """A server with an empty folder, ended and removed with the block."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder)).start()
        try:
            yield server
        finally:
            server.kill()


def freeze_random(engine: Engine, rows: int) -> Snapshot:
    """Freezes samples that the gate lets pass and that nothing can be learned from, in seconds."""
    apply_schema(engine)
    with engine.connect() as connection:
        connection.execute(text("TRUNCATE TABLE regime_features"))
        connection.execute(text(insert_samples("regime_features", rows).replace(":", "\\:")))
    return freeze(engine, f"bench {rows}", FEATURES)


def freeze_market(engine: Engine, rows: int) -> Snapshot:
    """Freezes a simulated market, which can be learned; ten seconds a million rows."""
    apply_schema(engine)
    with engine.connect() as connection:
        connection.execute(text("TRUNCATE TABLE regime_features"))
    insert(engine, simulate(MarketSpec(rows=rows, labelled_share=1.0)))
    return freeze(engine, f"market {rows}", FEATURES)


@contextmanager
def embedded_random(rows: int) -> Iterator[tuple[URL, Snapshot]]:
    """The same in an embedded ClickHouse, which is closed again, so that a child can open it."""
    with tempfile.TemporaryDirectory() as folder:
        url = make_url(f"clickhouse+chdb:///default?path={folder}")
        with opened(url) as engine:
            snapshot = freeze_random(engine, rows)
        yield url, snapshot


def url_of(server: Server, protocol: str) -> str:
    """The address of a server as text, for a child."""
    return server.url(protocol).render_as_string(hide_password=False)
