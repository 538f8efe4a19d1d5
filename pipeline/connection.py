"""Turns the Airflow Connection `clickhouse_default` into a ClickHouse engine."""

import json
import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Engine

CONNECTION_ID: Final = "clickhouse_default"
SERVER_TYPES: Final = ("http", "clickhouse", "generic")

_PORTS: Final = {"native": {9000: False, 9440: True}, "http": {8123: False, 8443: True}}
"""Usual ports of each protocol, and whether they speak TLS."""

_SCHEMES: Final[dict[str, tuple[str | None, bool | None]]] = {
    "http": ("http", False),
    "https": ("http", True),
    "tcp": ("native", None),
    "native": ("native", None),
    "clickhouse": (None, None),
    "clickhouses": (None, True),
}
"""What is said by the scheme that people paste with a host: protocol and TLS."""

_ADDRESS: Final = re.compile(r"(\[[^\]]+\]|[^:/?#\s]+|[0-9a-fA-F:]+:[0-9a-fA-F:]+)(?::(\d+))?/?")
"""A name or an address, with a port or not."""

_YES: Final = ("true", "yes", "on", "1", "t", "y")
_NO: Final = ("false", "no", "off", "0", "f", "n", "")
_OPTIONS: Final = {
    "connect_timeout": "connect_timeout",
    "timeout": "timeout",
    "send_receive_timeout": "timeout",
    "deadline": "deadline",
    "client_name": "client_name",
    "ca_cert": "ca_cert",
}
"""Extras that are not yes or no, and what `clickhouse.dialects` calls them."""

_SWITCHES: Final = ("secure", "verify", "compress")

_NO_SETTINGS: Final = frozenset({*_OPTIONS, *_SWITCHES, "driver", "alt_hosts", "client_kwargs"})


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
    """Translates a Connection by the table of forms in docs/install.md.

    Args:
        connection: type `http`, `clickhouse` (as the official provider makes it) or `generic` for a
            server, `chdb` for the embedded engine. Scheme, port, user and password may stand in the
            host. Extras `driver` and `secure` override what scheme and port say; those that are no
            option of `clickhouse.dialects` are ClickHouse settings.

    Raises:
        ConnectionProblem: naming the field that is wrong, or that another one contradicts.
    """
    from sqlalchemy import URL

    extra = _object("extra", connection.extra or "{}")
    if connection.conn_type == "chdb":
        return _embedded_url(connection, extra)
    if connection.conn_type not in SERVER_TYPES:
        allowed = ", ".join((*SERVER_TYPES, "chdb"))
        raise ConnectionProblem(f"type {connection.conn_type!r} is not one of {allowed}")
    place = _place(connection)
    driver = _driver(connection, extra, place)
    secure = _secure(extra, driver, place)
    usual = next(port for port, is_secure in _PORTS[driver].items() if is_secure == secure)
    return URL.create(
        f"clickhouse+{driver}",
        username=place.login or "default",
        password=place.password,
        host=place.host,
        port=place.port or usual,
        database=place.database,
        query=_options(extra, driver) | ({"secure": "true"} if secure else {}),
    )


@dataclass(frozen=True)
class _Place:
    """Where a Connection leads, whichever field says it."""

    host: str
    port: int | None
    scheme: str
    login: str
    password: str
    database: str


def _place(connection: Connection) -> _Place:
    said = _said_in_host((connection.host or "").strip())
    for field, one, other in (
        ("login", connection.login, said.login),
        ("password", connection.password, said.password),
        ("port", connection.port, said.port),
    ):
        if one and other and one != other:
            raise ConnectionProblem(f"host and field {field} name two different ones")
    scheme, database = said.scheme, connection.schema or "default"
    if connection.conn_type == "http" and database.lower() in {"http", "https"}:
        # The form of type HTTP calls this field so.
        if scheme not in {"", database.lower()}:
            raise ConnectionProblem(f"host and schema name two schemes, {scheme} and {database}")
        scheme, database = database.lower(), "default"
    port = connection.port or said.port
    if port is not None and not 0 < port < 65536:
        raise ConnectionProblem(f"port {port} is not from 1 to 65535")
    return replace(
        said,
        port=port,
        scheme=scheme,
        login=connection.login or said.login,
        password=connection.password or said.password,
        database=database,
    )


def _said_in_host(host: str) -> _Place:
    """Reads what people paste; nothing of it is shown, because any part may be a password."""
    scheme, separator, rest = host.rpartition("://")
    credentials, _, rest = rest.rpartition("@")
    login, _, password = (unquote(part) for part in credentials.partition(":"))
    if separator and scheme.lower() not in _SCHEMES:
        raise ConnectionProblem(f"the host's scheme is not one of {', '.join(_SCHEMES)}")
    found = _ADDRESS.fullmatch(rest)
    if not found:
        reason = "is no name or address with or without a port" if rest else "is empty"
        raise ConnectionProblem(f"the host {reason}")
    if password:
        mask_secret(password)
    name, port = found.groups()
    return _Place(name.strip("[]"), int(port or 0) or None, scheme.lower(), login, password, "")


def _driver(connection: Connection, extra: dict[str, Any], place: _Place) -> str:
    if "driver" in extra:
        if str(extra["driver"]) not in _PORTS:
            raise ConnectionProblem(f"extra driver {extra['driver']!r} is not native or http")
        return str(extra["driver"])
    for driver, ports in _PORTS.items():
        if place.port in ports:
            return driver
    said, _ = _SCHEMES.get(place.scheme, (None, None))
    # The official provider's own type speaks HTTP, whatever its port.
    return said or ("native" if connection.conn_type == "generic" else "http")


def _secure(extra: dict[str, Any], driver: str, place: _Place) -> bool:
    _, said = _SCHEMES.get(place.scheme, (None, None))
    by_port = _PORTS[driver].get(place.port or 0)
    if "secure" in extra:
        asked = _yes_or_no("secure", extra["secure"])
        if said and not asked:
            raise ConnectionProblem("the scheme says TLS and the extra secure says none")
        return asked
    if said is False and by_port:
        raise ConnectionProblem(f"the scheme {place.scheme} says no TLS, and port {place.port} TLS")
    return bool(said or by_port)


def _options(extra: dict[str, Any], driver: str) -> dict[str, str]:
    """The options and settings of the URL, from extras of ours and of the official provider."""
    options: dict[str, str] = {}
    for name, value in extra.items():
        if name in {"driver", "secure"} or value is None:
            continue
        if name == "client_kwargs":  # further options of the official provider's client
            options |= _options(_known(value), driver)
        elif name in _SWITCHES:
            options |= _switch(name, value, driver)
        elif name == "session_settings":
            options |= _settings(_object("extra session_settings", value))
        elif name == "alt_hosts":
            options[name] = _other_hosts(value, driver)
        elif name in _OPTIONS:
            options[_OPTIONS[name]] = _option(name, value)
        else:
            options |= _settings({name: value})
    return options


def _known(given: Any) -> dict[str, Any]:
    found = _object("extra client_kwargs", given)
    strange = sorted(found.keys() - {*_OPTIONS, *_SWITCHES})
    if strange:
        raise ConnectionProblem(f"extra client_kwargs: {', '.join(strange)} means nothing here")
    return found


def _object(field: str, given: Any) -> dict[str, Any]:
    """Reads a JSON object; the form of the official provider stores it as a text."""
    try:
        found = json.loads(given or "{}") if isinstance(given, str) else given
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ConnectionProblem(f"the {field} is not a JSON object")
    return found


def _switch(name: str, value: Any, driver: str) -> dict[str, str]:
    if name == "compress" and str(value).lower() in {"lz4", "zstd"}:
        value = True
    if _yes_or_no(name, value) == (name == "verify"):
        return {}
    if name == "compress" and driver == "native":
        raise ConnectionProblem(
            "extra compress is for HTTP: the native driver needs further packages for it"
        )
    return {name: "true" if name == "compress" else "false"}


def _settings(given: dict[str, Any]) -> dict[str, str]:
    """ClickHouse settings as text; the server refuses a name that it does not know."""
    for name, value in given.items():
        if name in _NO_SETTINGS:
            raise ConnectionProblem(f"extra {name} is no ClickHouse setting")
        if isinstance(value, dict | list):
            raise ConnectionProblem(f"extra {name} is neither a text nor a number")
    return {name: str(int(v) if isinstance(v, bool) else v) for name, v in given.items()}


def _other_hosts(value: Any, driver: str) -> str:
    if driver != "native":
        raise ConnectionProblem("extra alt_hosts is for the native protocol")
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _option(name: str, value: Any) -> str:
    if name == "ca_cert" and not Path(str(value)).is_file():
        raise ConnectionProblem(f"extra ca_cert: there is no file {value}")
    if name not in {"ca_cert", "client_name"}:
        try:
            positive = float(value) > 0
        except (TypeError, ValueError):
            positive = False
        if not positive:
            raise ConnectionProblem(f"extra {name} is {value!r}, not a number of seconds above 0")
    return str(value)


def _embedded_url(connection: Connection, extra: dict[str, Any]) -> "URL":
    from sqlalchemy import URL

    path = str(extra.pop("path", None) or "")
    if not path.startswith("/"):
        raise ConnectionProblem(f'type chdb needs the extra {{"path": "/a/folder"}}, got {path!r}')
    settings = _settings(_object("extra session_settings", extra.pop("session_settings", {})))
    query = {"path": path} | settings | _settings(extra)
    return URL.create("clickhouse+chdb", database=connection.schema or "default", query=query)


def _yes_or_no(name: str, value: Any) -> bool:
    """Reads a switch; a value that is neither is never a no."""
    word = str(value).strip().lower()
    if word not in _YES + _NO:
        raise ConnectionProblem(f"extra {name} is {value!r}, neither yes nor no")
    return word in _YES
