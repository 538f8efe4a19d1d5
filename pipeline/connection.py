"""Turns the Airflow Connection `clickhouse_default` into a ClickHouse engine."""

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Engine

CONNECTION_ID: Final = "clickhouse_default"
SERVER_TYPES: Final = ("http", "clickhouse", "generic")

_NATIVE_PORTS: Final = {9000: False, 9440: True}
_HTTP_PORTS: Final = {8123: False, 8443: True}
_OURS: Final = ("driver", "secure", "ca_cert")
_CA_OPTION: Final = {"native": "ca_certs", "http": "verify"}
_TIMEOUTS: Final = {
    "native": {"connect_timeout": "10", "send_receive_timeout": "300"},
    "http": {"timeout": "300"},
}


class ConnectionProblem(ValueError):
    """The Airflow Connection cannot be understood; says which field and what is allowed."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"Connection {CONNECTION_ID}: {self.problem}. What to do: correct it in Airflow "
            f"(Admin, Connections) or in AIRFLOW_CONN_{CONNECTION_ID.upper()}."
        )


@contextmanager
def clickhouse_engine() -> "Iterator[Engine]":
    """Opens ClickHouse for the length of a task.

    Raises:
        ConnectionProblem: if the Connection is missing or cannot be understood.
    """
    from clickhouse.engine import opened

    try:
        connection = Connection.get(CONNECTION_ID)
    except AirflowNotFoundException:
        raise ConnectionProblem("it is not defined") from None
    with opened(clickhouse_url(connection)) as engine:
        yield engine


def clickhouse_url(connection: Connection) -> "URL":
    """Translates a Connection by the table of forms in the README.

    Args:
        connection: type `http`, `clickhouse` or `generic` for a server, `chdb` for the embedded
            engine. Extra `driver` and `secure` override what the port says; `ca_cert` is the file
            of the authority that signed the server's certificate, `verify` false trusts any; other
            extras go to the driver.

    Raises:
        ConnectionProblem: naming the field that is wrong.
    """
    from sqlalchemy import URL

    extra = _extra(connection)
    database = connection.schema or "default"
    if connection.conn_type == "chdb":
        path = str(extra.get("path") or "")
        if not path.startswith("/"):
            raise ConnectionProblem(
                f'type chdb needs the extra {{"path": "/a/folder"}}, got {path!r}'
            )
        return URL.create("clickhouse+chdb", database=database, query={"path": path})
    if connection.conn_type not in SERVER_TYPES:
        allowed = ", ".join((*SERVER_TYPES, "chdb"))
        raise ConnectionProblem(f"type {connection.conn_type!r} is not one of {allowed}")
    if not connection.host:
        raise ConnectionProblem("the host is empty")

    host, secure_host = _host(connection.host)
    driver = _driver(connection, extra)
    secure = _secure(connection, extra, driver, secure_host)
    options = {name: _text(value) for name, value in extra.items() if name not in _OURS}
    if extra.get("ca_cert"):
        options[_CA_OPTION[driver]] = str(extra["ca_cert"])
    if secure:
        options |= {"secure": "true"} if driver == "native" else {"protocol": "https"}
    return URL.create(
        f"clickhouse+{driver}",
        username=connection.login or "default",
        password=connection.password or "",
        host=host,
        port=connection.port or _default_port(driver, secure),
        database=database,
        query=_TIMEOUTS[driver] | options,
    )


def _extra(connection: Connection) -> dict[str, Any]:
    try:
        extra = json.loads(connection.extra or "{}")
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise ConnectionProblem("the extra is not a JSON object")
    return extra


def _host(given: str) -> tuple[str, bool]:
    """Splits the `https://` that people write into the host of a Connection of type HTTP."""
    scheme, separator, rest = given.rpartition("://")
    return rest.rstrip("/"), bool(separator) and scheme == "https"


def _driver(connection: Connection, extra: dict[str, Any]) -> str:
    if "driver" in extra:
        if extra["driver"] not in _TIMEOUTS:
            raise ConnectionProblem(f"extra driver {extra['driver']!r} is not native or http")
        return str(extra["driver"])
    if connection.port in _NATIVE_PORTS:
        return "native"
    if connection.port in _HTTP_PORTS or connection.conn_type == "http":
        return "http"
    return "native"


def _secure(connection: Connection, extra: dict[str, Any], driver: str, secure_host: bool) -> bool:
    if "secure" in extra:
        return _text(extra["secure"]) in {"true", "1"}
    ports = _NATIVE_PORTS if driver == "native" else _HTTP_PORTS
    return secure_host or ports.get(connection.port or 0, False)


def _default_port(driver: str, secure: bool) -> int:
    ports = _NATIVE_PORTS if driver == "native" else _HTTP_PORTS
    return next(port for port, is_secure in ports.items() if is_secure == secure)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
