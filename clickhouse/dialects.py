"""The server dialects of clickhouse-sqlalchemy, which close a connection when SQLAlchemy does.

Their own connections leave it open. Registered in place of them by `clickhouse.engine`, so that
the engines of Great Expectations hang up too.
"""

from typing import Any

from clickhouse_sqlalchemy.drivers.http.base import ClickHouseDialect_http
from clickhouse_sqlalchemy.drivers.native.base import ClickHouseDialect_native
from sqlalchemy.engine import URL


class NativeDialect(ClickHouseDialect_native):  # type: ignore[misc]
    """The native protocol."""

    supports_statement_cache = True

    def do_close(self, dbapi_connection: Any) -> None:
        """Closes the socket."""
        dbapi_connection.transport.disconnect()


class HttpDialect(ClickHouseDialect_http):  # type: ignore[misc]
    """HTTP."""

    supports_statement_cache = True

    def create_connect_args(self, url: URL) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Turns a URL into arguments of the connector."""
        (address, database, user, password), options = super().create_connect_args(url)
        # ClickHouse reads a login as UTF-8; requests would send text as Latin-1.
        login = (user or "default").encode(), (password or "").encode()
        return (address, database, *login), options

    def do_close(self, dbapi_connection: Any) -> None:
        """Closes the session and its sockets."""
        dbapi_connection.transport.http.close()
