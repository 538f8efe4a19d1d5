"""Opens SQLAlchemy engines on ClickHouse and gives its errors one shape for every driver.

It knows `clickhouse+native`, `clickhouse+http` and the embedded `clickhouse+chdb`; where a URL
comes from is the caller's business.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import shorten
from typing import Final

from clickhouse_driver.errors import Error as DriverError
from clickhouse_sqlalchemy.exceptions import DatabaseException
from requests.exceptions import RequestException
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.dialects import registry
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import DatabaseError

from clickhouse.codes import may_pass, remedy_of
from clickhouse.errors import BUSY, STRANGE, ClickHouseRefused, ClickHouseUnavailable, NotClickHouse

registry.register("clickhouse.chdb", "clickhouse.chdb", "ChdbDialect")
registry.register("clickhouse.native", "clickhouse.dialects", "NativeDialect")
registry.register("clickhouse.http", "clickhouse.dialects", "HttpDialect")

_MISUSED: Final = {
    r"is for clickhouse-client program": "this port speaks the native protocol: use the HTTP port "
    '(8123, with TLS 8443), or set the extra {"driver": "native"}',
    r"Code: 102\b": "this port does not speak the native protocol: use the native port (9000, with "
    'TLS 9440), or set the extra {"driver": "http"}',
    r"CERTIFICATE_VERIFY_FAILED": "its certificate is not trusted here: give the file of the "
    'authority that signed it in the extra {"ca_cert": "/path"}, or correct the host name',
    r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE": "this port does not speak TLS: use a TLS port "
    '(9440 native, 8443 HTTP), or set the extra {"secure": false}',
}
"""How a wrong port or certificate shows in an answer, each with its remedy."""

_LOST: Final = {209, 210, 279}
"""Codes of a lost or refused connection, as the native driver numbers them."""

_GARBLED: Final = 100
"""The native driver's code for a packet that is none."""

_LOCKED: Final = "another process holds it"
_LONGEST_LINE: Final = 600
_DRIVER_ERRORS: Final = (OSError, EOFError, DatabaseException, DriverError)


def open_engine(url: URL | str) -> Engine:
    """Opens an engine whose every failure is an SQLAlchemy exception.

    Args:
        url: `clickhouse+native://`, `clickhouse+http://` or `clickhouse+chdb:///db?path=/folder`.

    Returns:
        An engine. Dispose of it when the work is done: the embedded engine holds its folder until
        then. Its queries raise `ClickHouseRefused` where repeating them cannot help,
        `ClickHouseUnavailable` where it may: the server cannot be reached, is overloaded, or does
        not answer as ClickHouse. Both are an SQLAlchemy `DatabaseError`.
    """
    engine = create_engine(make_url(url))
    event.listen(engine, "handle_error", _handle)
    return engine


@contextmanager
def opened(url: URL | str) -> Iterator[Engine]:
    """Opens an engine as `open_engine` does, and disposes of it when the block ends."""
    engine = open_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


def server_version(engine: Engine) -> str:
    """Version of the ClickHouse that an engine speaks to."""
    with engine.connect() as connection:
        return str(connection.execute(text("SELECT version()")).scalar_one())


def error_code(answer: str) -> int | None:
    """Finds ClickHouse's own error code in an error text.

    >>> error_code("Code: 60. DB::Exception: Unknown table")
    60
    """
    found = re.search(r"[Cc]ode:? (\d+)", answer)
    return int(found.group(1)) if found else None


def error_line(error: BaseException) -> str:
    """Returns the server's message in one line, without the stack trace that drivers append."""
    original = getattr(error, "orig", None)
    shown = original if isinstance(original, BaseException) else error
    if isinstance(shown, RequestException) and shown.args:
        # Its own text is the whole address with every parameter; the reason is what happened.
        shown = getattr(shown.args[0], "reason", shown)
    told = str(shown).split("Stack trace", maxsplit=1)[0].removeprefix("Orig exception: ")
    # It may repeat the whole query.
    return shorten(told, _LONGEST_LINE, placeholder=" …")


def where(url: URL) -> str:
    """Names a server for people, without login and password.

    >>> where(make_url("clickhouse+native://me:secret@ch:9000/market"))
    'native://ch:9000/market'
    """
    protocol = url.get_driver_name()
    database = url.database or "default"
    if protocol == "chdb":
        return f"chdb:{url.query.get('path')}/{database}"
    return f"{protocol}://{url.host}:{url.port or '(default port)'}/{database}"


def in_one_shape(url: URL | None, error: BaseException) -> DatabaseError | None:
    """Translates what a driver raises; None for an error that is not the driver's."""
    if not isinstance(error, _DRIVER_ERRORS):
        return None
    server = where(url) if url else "ClickHouse"
    line = error_line(error)
    for sign, remedy in _MISUSED.items():
        if re.search(sign, line):
            return ClickHouseRefused(server, line, remedy)
    if isinstance(error, OSError | EOFError) and not isinstance(error, NotClickHouse):
        return ClickHouseUnavailable(server, line)
    return _database_error(server, line, error)


def error_told(url: URL, told: str) -> DatabaseError | None:
    """Makes an error again of the first that a library tells of; None if it is none of a server."""
    found = re.search(r"[Cc]ode:? \d+.*?(?=; \(|$)", told, re.DOTALL)
    return in_one_shape(url, DatabaseException(found.group())) if found else None


def _handle(context: ExceptionContext) -> None:
    error = context.original_exception
    found = in_one_shape(context.engine.url if context.engine else None, error)
    if found:
        raise found from error


def _database_error(server: str, line: str, error: Exception) -> DatabaseError:
    code = error_code(line)
    if isinstance(error, NotClickHouse) or code is None or code == _GARBLED:
        return ClickHouseUnavailable(server, line, STRANGE)
    if _LOCKED in line or code in _LOST:
        return ClickHouseUnavailable(server, line)
    if may_pass(code, line):
        return ClickHouseUnavailable(server, line, BUSY)
    return ClickHouseRefused(server, line, remedy_of(code))
