"""Opens SQLAlchemy engines on ClickHouse and gives its errors one shape for every driver.

It knows `clickhouse+native`, `clickhouse+http` and the embedded `clickhouse+chdb`; where a URL
comes from is the caller's business.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from clickhouse_driver.errors import Error as DriverError
from clickhouse_sqlalchemy.exceptions import DatabaseException
from requests.exceptions import RequestException
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.dialects import registry
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import DatabaseError

from clickhouse.errors import ClickHouseRefused, ClickHouseUnavailable

registry.register("clickhouse.chdb", "clickhouse.chdb", "ChdbDialect")
registry.register("clickhouse.native", "clickhouse.dialects", "NativeDialect")
registry.register("clickhouse.http", "clickhouse.dialects", "HttpDialect")

_REFUSALS: Final = {
    47: "the column does not exist: compare the table with clickhouse/schema.sql",
    60: "create it (clickhouse/schema.sql), or correct the schema of the Connection",
    81: "create the database, or correct the schema of the Connection",
    164: "give the user the right to write to the snapshot database",
    192: "correct the login of the Connection",
    193: "correct the password of the Connection",
    194: "correct the password of the Connection",
    497: "grant the user the right that is named above",
    516: "correct login and password of the Connection",
}
"""ClickHouse error codes that repeating a query cannot cure, each with its remedy."""

_UNAVAILABLE: Final = {209, 210, 279}
"""Codes of a lost or refused connection, as the native driver numbers them."""

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

_LOCKED: Final = "another process holds it"
_DRIVER_ERRORS: Final = (OSError, EOFError, DatabaseException, DriverError)


def open_engine(url: URL | str) -> Engine:
    """Opens an engine whose every failure is an SQLAlchemy exception.

    Args:
        url: `clickhouse+native://`, `clickhouse+http://` or `clickhouse+chdb:///db?path=/folder`.

    Returns:
        An engine. Dispose of it when the work is done: the embedded engine holds its folder until
        then. Its queries raise `ClickHouseRefused` where repeating them cannot help,
        `ClickHouseUnavailable` where the server cannot be reached, and SQLAlchemy's
        `DatabaseError`, which both of them are, for any other answer of the server.
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


def quoted(identifier: str) -> str:
    r"""Quotes a ClickHouse identifier.

    >>> quoted("a`b")
    '`a\\`b`'
    """
    escaped = identifier.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def error_code(text: str) -> int | None:
    """Finds ClickHouse's own error code in an error text.

    >>> error_code("Code: 60. DB::Exception: Unknown table")
    60
    """
    found = re.search(r"[Cc]ode:? (\d+)", text)
    return int(found.group(1)) if found else None


def error_line(error: BaseException) -> str:
    """Returns the server's message in one line, without the stack trace that drivers append."""
    original = getattr(error, "orig", None)
    shown = original if isinstance(original, BaseException) else error
    if isinstance(shown, RequestException) and shown.args:
        # Its own text is the whole address with every parameter; the reason is what happened.
        shown = getattr(shown.args[0], "reason", shown)
    text = str(shown)
    return " ".join(
        text.split("Stack trace", maxsplit=1)[0].removeprefix("Orig exception: ").split()
    )


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
    """Translates what a driver raises; None for an error that is not the driver's.

    Args:
        url: where it happened.
        error: as the driver raised it, or as clickhouse-sqlalchemy wrapped it.
    """
    if not isinstance(error, _DRIVER_ERRORS):
        return None
    server = where(url) if url else "ClickHouse"
    line = error_line(error)
    for sign, remedy in _MISUSED.items():
        if re.search(sign, line):
            return ClickHouseRefused(server, line, remedy)
    if isinstance(error, OSError | EOFError):
        return ClickHouseUnavailable(server, line)
    return _database_error(server, line, error)


def _handle(context: ExceptionContext) -> None:
    error = context.original_exception
    found = in_one_shape(context.engine.url if context.engine else None, error)
    if found:
        raise found from error


def _database_error(server: str, line: str, error: Exception) -> DatabaseError:
    code = error_code(line)
    if code in _REFUSALS:
        return ClickHouseRefused(server, line, _REFUSALS[code])
    if code in _UNAVAILABLE or _LOCKED in line:
        return ClickHouseUnavailable(server, line)
    return DatabaseError(None, None, error)
