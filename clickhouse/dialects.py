"""The dialects of clickhouse-sqlalchemy, made alike: one set of options, whole answers, an end.

The options of a URL mean the same with each protocol, every other name in its query is a ClickHouse
setting. Queries carry what keeps their answers whole (`clickhouse.guard`), an answer that is not
ClickHouse's is an error that says so, and none is waited for without end. A connection is closed
when SQLAlchemy closes it, which clickhouse-sqlalchemy's own leave open. Registered in place of
those by `clickhouse.engine`, so that the engines of Great Expectations do all of this too.
"""

import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any, Final, TypeVar

import requests
from clickhouse_driver.errors import Error as DriverError
from clickhouse_sqlalchemy.drivers.http import connector
from clickhouse_sqlalchemy.drivers.http.base import ClickHouseDialect_http
from clickhouse_sqlalchemy.drivers.http.exceptions import HTTPException
from clickhouse_sqlalchemy.drivers.http.transport import RequestsTransport, _get_type
from clickhouse_sqlalchemy.drivers.http.utils import parse_tsv
from clickhouse_sqlalchemy.drivers.native.base import ClickHouseDialect_native
from clickhouse_sqlalchemy.exceptions import DatabaseException
from sqlalchemy import text
from sqlalchemy.engine import URL

from clickhouse.engine import where
from clickhouse.errors import ClickHouseRefused, NotClickHouse
from clickhouse.guard import QUESTION, guards

OPTIONS: Final = frozenset({
    *("secure", "protocol", "verify", "ca_cert", "connect_timeout", "timeout", "deadline"),
    *("client_name", "compress", "alt_hosts"),
})  # fmt: skip
"""Names in a URL's query that are no settings.

`secure` (or `protocol=https`) is TLS, `verify=false` trusts any certificate, `ca_cert` is the file
of the authority that signed it; `connect_timeout`, `timeout` (without a byte) and `deadline` (for a
whole query) are seconds; `client_name` is what the server's log calls us; `alt_hosts` are further
hosts of the native protocol.
"""

_DEADLINE: Final = "1800"
_TIMEOUTS: Final = {"connect_timeout": 10, "timeout": 300}
_YES: Final = frozenset({"true", "1", "yes", "on"})
_SHOWN: Final = 200
_LENGTHS: Final = frozenset({"content-length", "transfer-encoding"})
"""Headers of which each answer of a ClickHouse has one: where its body ends."""
_NO_ANSWER: Final = (
    *(AssertionError, AttributeError, LookupError, OverflowError, TypeError, ValueError),
    struct.error,
)
"""What the drivers raise where the other side speaks another language."""

T = TypeVar("T")


def deadline_of(url: URL) -> float:
    """Seconds that one query may take on this side."""
    return float(str(url.query.get("deadline", _DEADLINE)))


def within(seconds: float, work: Callable[[], T]) -> T:
    """Does work that may wait for a server; what is not done in time is left alone.

    A socket's own timeout starts anew with each byte, so an answer that drips would never end.

    Raises:
        TimeoutError: if there is no result in time; else what the work raises.
    """
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not done:
        message = f"no whole answer within {seconds:g} seconds (extra `deadline`)"
        raise TimeoutError(message)
    return done[0]


class _Guarded:
    """What the dialects share: the guard of every connection, and the end of every query."""

    guard: Mapping[str, str] = {}
    _seconds: float = 0

    def initialize(self, connection: Any) -> None:
        """Asks the server once how the settings stand that could change an answer."""
        answer = connection.execute(text(QUESTION)).scalar()
        if answer is None:
            raise ClickHouseRefused(
                where(connection.engine.url),
                "a setting of the user's profile, such as `filter`, cuts every answer.",
                "take it out of the profile of the Connection's user",
            )
        self.guard = guards(str(answer))
        self.settings_of(connection.connection.dbapi_connection).update(self.guard)
        super().initialize(connection)  # type: ignore[misc]

    def connect(self, *arguments: Any, **options: Any) -> Any:
        """Opens a connection whose queries are guarded."""
        opened = super().connect(*arguments, **options)  # type: ignore[misc]
        self.settings_of(opened).update(self.guard)
        return opened

    def do_execute(self, cursor: Any, *statement: Any, **context: Any) -> None:
        """Runs a statement and takes its whole answer, in time."""
        execute = super().do_execute  # type: ignore[misc]
        try:
            within(self._seconds, lambda: execute(cursor, *statement, **context))
        except (OSError, EOFError, DriverError, DatabaseException):
            raise
        except _NO_ANSWER as error:
            raise NotClickHouse(f"{type(error).__name__}: {error}") from error

    def settings_of(self, connection: Any) -> dict[str, Any]:
        """The settings that a connection of the driver sends with each query."""
        settings: dict[str, Any] = connection.transport.settings
        return settings


class NativeDialect(_Guarded, ClickHouseDialect_native):  # type: ignore[misc]
    """The native protocol."""

    supports_statement_cache = True

    def create_connect_args(self, url: URL) -> tuple[tuple[str], dict[str, Any]]:
        """Turns a URL into that of the driver."""
        self._seconds = deadline_of(url)
        options, settings = _split(url)
        renamed = {
            "secure": "true" if _is_secure(options) else "",
            "verify": options.get("verify", ""),
            "ca_certs": options.get("ca_cert", ""),
            "connect_timeout": options.get("connect_timeout", ""),
            "send_receive_timeout": options.get("timeout", ""),
            "client_name": options.get("client_name", ""),
            "compression": options.get("compress", ""),
            "alt_hosts": options.get("alt_hosts", ""),
            # The server refuses a name it does not know, as it does over HTTP.
            "settings_is_important": "true",
        }
        given = {name: value for name, value in renamed.items() if value}
        return super().create_connect_args(url.set(query={**given, **settings, **self.guard}))  # type: ignore[no-any-return]

    def do_close(self, dbapi_connection: Any) -> None:
        """Closes the socket."""
        dbapi_connection.transport.disconnect()


class HttpTransport(RequestsTransport):  # type: ignore[misc]
    """Sends queries as clickhouse-sqlalchemy does, and takes no answer but a whole one."""

    def __init__(self, *where: Any, timeout: Any = None, **options: Any) -> None:
        super().__init__(*where, **options)
        self.timeout = timeout

    def execute(self, query: str, params: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """Runs a query.

        Yields:
            Column names, column types, rows; nothing for a statement without an answer.

        Raises:
            EOFError: if the answer breaks off, in its headers or in its rows.
        """
        # The server sends nothing before it knows that there will be no error.
        answer = self._send(query, {**(params or {}), "wait_end_of_query": "1"})
        expects_rows = answer.headers.get("X-ClickHouse-Format") is not None
        if not answer.content.endswith(b"\n") and (answer.content or expects_rows):
            raise EOFError(f"the answer breaks off after {len(answer.content)} bytes")
        lines = (parse_tsv(line, self.unicode_errors) for line in answer.content.split(b"\n")[:-1])
        for names in lines:
            types = next(lines)
            converters = [_get_type(kind) for kind in types]
            yield names
            yield types
            for line in lines:
                cells = zip(converters, line, strict=True)
                yield [convert(cell) if convert else cell for convert, cell in cells]

    def _send(
        self, data: str, params: Mapping[str, Any] | None = None, stream: bool = False
    ) -> requests.Response:
        response: requests.Response = self.http.post(
            self.db_url,
            auth=self.auth,
            params={**(params or {}), "database": self.db_name, **self.ch_settings},
            data=data.encode(),
            stream=stream,
            timeout=self.timeout,
            headers=self.headers,
            verify=self.verify,
        )
        # Python takes the end of a connection for the end of the headers.
        if not response.content and not _LENGTHS & set(map(str.lower, response.headers)):
            raise EOFError("the answer breaks off in its headers")
        if not any(name.lower().startswith("x-clickhouse-") for name in response.headers):
            begin = " ".join(response.text[:_SHOWN].split())
            raise NotClickHouse(f"HTTP status {response.status_code}, {begin or 'nothing'}")
        if response.status_code != requests.codes.ok:
            raise DatabaseException(HTTPException(response.text))
        return response


class HttpConnection(connector.Connection):  # type: ignore[misc]
    """A connection of clickhouse-sqlalchemy with our transport."""

    transport_cls = HttpTransport


class HttpDialect(_Guarded, ClickHouseDialect_http):  # type: ignore[misc]
    """HTTP."""

    supports_statement_cache = True
    # The name that SQLAlchemy maps to its own DatabaseError.
    dbapi_exception_translation_map = {"DatabaseException": "DatabaseError"}  # noqa: RUF012

    @classmethod
    def import_dbapi(cls) -> Any:
        """Returns the HTTP connector with our connection and the error it really raises."""
        ours = {"connect": HttpConnection, "Error": DatabaseException}
        return SimpleNamespace(**{**vars(connector), **ours})

    def create_connect_args(self, url: URL) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Turns a URL into arguments of the connector."""
        self._seconds = deadline_of(url)
        options, settings = _split(url)
        secure = _is_secure(options)
        host = f"[{url.host}]" if ":" in (url.host or "") else url.host
        address = f"http{'s' * secure}://{host}:{url.port or (8443 if secure else 8123)}/"
        # ClickHouse reads a login as UTF-8; requests would send text as Latin-1.
        login = (url.username or "default").encode(), (url.password or "").encode()
        if _is_yes(options.get("compress", "")):
            settings["enable_http_compression"] = "1"
        further: dict[str, Any] = {
            "timeout": tuple(float(options.get(name, usual)) for name, usual in _TIMEOUTS.items()),
            "verify": options.get("verify") != "false" and options.get("ca_cert", True),
            "ch_settings": settings,
        }
        if "client_name" in options:
            further["header__User-Agent"] = options["client_name"]
        return (address, url.database or "default", *login), further

    def settings_of(self, connection: Any) -> dict[str, Any]:
        """The settings that a connection sends with each query."""
        settings: dict[str, Any] = connection.transport.ch_settings
        return settings

    def do_close(self, dbapi_connection: Any) -> None:
        """Closes the session and its sockets."""
        dbapi_connection.transport.http.close()


def _split(url: URL) -> tuple[dict[str, str], dict[str, str]]:
    """The options and the ClickHouse settings of a URL."""
    given = {name: str(value) for name, value in url.query.items()}
    options = {name: value for name, value in given.items() if name in OPTIONS}
    return options, {name: value for name, value in given.items() if name not in OPTIONS}


def _is_secure(options: Mapping[str, str]) -> bool:
    return _is_yes(options.get("secure", "")) or options.get("protocol") == "https"


def _is_yes(value: str) -> bool:
    return value.lower() in _YES
