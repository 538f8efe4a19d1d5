"""The ways the pipeline goes to ClickHouse: embedded, native, HTTP, each with its two users."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, make_url, text

from clickhouse.engine import open_engine
from tests.services.server import PASSWORDS, GivenServer, Server

PROTOCOLS = ("chdb", "native", "http")


@dataclass(frozen=True)
class Way:
    """One way to one ClickHouse.

    Attributes:
        owner: as the application goes it, which owns `regime_features`.
        pipeline: as the pipeline goes it, which may read that and write snapshots.
        snapshots: database of the snapshots; None means that of the connection.
    """

    owner: URL
    pipeline: URL
    snapshots: str | None

    @property
    def protocol(self) -> str:
        return self.pipeline.get_driver_name()

    @property
    def connection(self) -> dict[str, Any]:
        """The Airflow Connection of the pipeline's user."""
        url = self.pipeline
        if self.protocol == "chdb":
            return {"conn_type": "chdb", "extra": {"path": url.query["path"]}}
        secure = {"secure": True} if url.query else {}
        return {
            "conn_type": "http",
            "host": url.host,
            "port": url.port,
            "login": url.username,
            "password": url.password,
            "schema": url.database,
            "extra": {"driver": self.protocol} | secure,
        }

    @property
    def variables(self) -> dict[str, str]:
        """The Airflow Variables that go with the Connection."""
        return {"SNAPSHOT_DATABASE": self.snapshots} if self.snapshots else {}

    @property
    def secrets(self) -> set[str]:
        """The passwords of both users, as they are and as a URL writes them."""
        passwords = {str(url.password) for url in (self.owner, self.pipeline) if url.password}
        return passwords | {quote(password, safe="") for password in passwords}

    def through(self, port: int) -> "Way":
        """The same way for the pipeline, by another port of this machine."""
        return replace(self, pipeline=self.pipeline.set(port=port))


def embedded_way(folder: Path) -> Way:
    """An embedded ClickHouse, which has no users."""
    url = make_url(f"clickhouse+chdb:///default?path={folder / 'clickhouse'}")
    return Way(url, url, None)


def server_way(server: Server | GivenServer, protocol: str, source: str, snapshots: str) -> Way:
    """A server by one protocol, with the users of the stack; a given server has but one user."""
    if isinstance(server, GivenServer):
        url = server.url(protocol, database=source)
        return Way(url, url, snapshots)
    owner, pipeline = (
        server.url(protocol, user, PASSWORDS[f"CLICKHOUSE_{user.upper()}_PASSWORD"], source)
        for user in ("application", "pipeline")
    )
    return Way(owner, pipeline, snapshots)


def make_databases(server: Server | GivenServer, source: str, snapshots: str) -> None:
    """Makes what an administrator makes before the first run."""
    _administer(
        server, *(f"CREATE DATABASE IF NOT EXISTS {database}" for database in (source, snapshots))
    )


def drop_databases(server: Server | GivenServer, source: str, snapshots: str) -> None:
    """Removes what a test has put there."""
    _administer(
        server,
        f"DROP TABLE IF EXISTS {source}.regime_features SYNC",
        *(f"DROP DATABASE {database} SYNC" for database in {source, snapshots} - {"default"}),
    )


def _administer(server: Server | GivenServer, *statements: str) -> None:
    administrator = open_engine(server.url("native"))
    with administrator.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    administrator.dispose()
