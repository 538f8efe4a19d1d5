"""The dialect `clickhouse+chdb`: embedded ClickHouse (chDB) behind SQLAlchemy.

A URL is `clickhouse+chdb:///DATABASE?path=/abs/folder`. Queries travel through the HTTP dialect of
clickhouse-sqlalchemy; instead of the network its `requests` session hands them to chDB, so types,
escaping and reflection are the code that runs against a server. chDB locks its folder for one
process: dispose of the engine when the work is done.
"""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from clickhouse_sqlalchemy.drivers.http.base import ClickHouseDialect_http
from clickhouse_sqlalchemy.exceptions import DatabaseException
from requests.adapters import BaseAdapter
from sqlalchemy.engine import URL

from clickhouse.dialects import HttpDialect
from clickhouse.quoting import quote, quoted

_BASE_URL = "http+chdb://embedded/"  # requests adds settings to an address only if it is of http
_LOCKED = "EmbeddedServer"
_NO_SETTINGS = {"database", "default_format", "query_id", "wait_end_of_query"}


class ChdbAdapter(BaseAdapter):
    """Answers a ClickHouse HTTP request from the embedded engine in this process."""

    def __init__(self, path: str, database: str) -> None:
        super().__init__()
        self._path = path
        self._database = database
        self._settings: dict[str, str] = {}
        self._connection: Any = None

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Runs the request's body as a query; status 500 carries ClickHouse's error text."""
        response = requests.Response()
        response.request = request
        response.url = request.url or _BASE_URL
        response.encoding = "utf-8"
        response.headers["X-ClickHouse-Server-Display-Name"] = "chdb"
        try:
            self._set(request.url or "")
            sql = request.body or ""
            sql = sql.decode() if isinstance(sql, bytes) else sql
            body, response.status_code = self._query(sql), 200
        except RuntimeError as error:  # ChdbError is one, and so is a folder that does not open
            body, response.status_code = str(error).encode(), 500
        response.headers["Content-Length"] = str(len(body))
        response.raw = BytesIO(body)
        return response

    def pieces(self, sql: str, form: str) -> Iterator[bytes]:
        """Runs a query; its answer comes piece by piece and is never whole in memory.

        Args:
            sql: a query without FORMAT and SETTINGS.
            form: ClickHouse's name of the format; one without a header, which an empty answer
                would lose.

        Raises:
            DatabaseException: with ClickHouse's error text, also in the middle of the answer.
        """
        # What a sorted table holds is sent as it is read, without buffers before the merge.
        unbuffered = f"{sql} SETTINGS read_in_order_use_buffering = 0"
        try:
            with self._opened().send_query(unbuffered, form) as answer:
                for piece in answer:
                    yield piece.bytes()
        except RuntimeError as error:
            raise DatabaseException(error) from error

    def close(self) -> None:
        """Gives the folder free for other processes."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self._settings.clear()

    def _opened(self) -> Any:
        if self._connection is None:
            self._connection = _open_folder(self._path)
            if self._database != "default":
                self._connection.query(f"USE {quoted(self._database)}")
        return self._connection

    def _set(self, url: str) -> None:
        """Makes the settings of a request, which stand in its address, those of the connection."""
        asked = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
        for name in asked.keys() - _NO_SETTINGS:
            if self._settings.get(name) != asked[name]:
                self._opened().query(f"SET {quoted(name)} = {quote(asked[name])}")
                self._settings[name] = asked[name]

    def _query(self, sql: str) -> bytes:
        connection = self._opened()
        try:
            answer: bytes = connection.query(sql, "TabSeparatedWithNamesAndTypes").bytes()
        except RuntimeError:
            # chDB 4.4 puts what a failed query had already written before the next one's answer.
            connection.query("SELECT 1 FORMAT Null")
            raise
        return answer


class ChdbDialect(HttpDialect):
    """The HTTP dialect with chDB in place of the network."""

    driver = "chdb"
    supports_statement_cache = True

    def create_connect_args(self, url: URL) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Turns the URL into arguments of the HTTP connector.

        Raises:
            ValueError: if the URL names no absolute folder.
        """
        path = url.query.get("path")
        if not isinstance(path, str) or not Path(path).is_absolute():
            message = f"clickhouse+chdb needs ?path=/an/absolute/folder, got path={path!r}"
            raise ValueError(message)
        settings = {name: value for name, value in url.query.items() if name != "path"}
        database = url.database or "default"

        def session() -> requests.Session:
            embedded = requests.Session()
            embedded.trust_env = False
            embedded.mount(_BASE_URL, ChdbAdapter(path, database))
            return embedded

        options = {"http_session": session, "ch_settings": settings}
        return (_BASE_URL, database, "", ""), options

    def do_execute(self, cursor: Any, *statement: Any, **context: Any) -> None:
        """Runs a statement in this thread: nothing is waited for."""
        ClickHouseDialect_http.do_execute(self, cursor, *statement, **context)


def _open_folder(path: str) -> Any:
    import chdb.state.sqlitelike as embedded  # noqa: PLC0415 - maps 270 MB, only when it is used

    Path(path).mkdir(parents=True, exist_ok=True)
    try:
        return embedded.connect(path)
    except RuntimeError as error:
        if _LOCKED not in str(error):
            raise
        message = (
            f"The embedded ClickHouse folder {path} cannot be opened: another process holds it, "
            "or this process has another folder open. chDB serves one process at a time: close "
            "the other run (`make demo`, a task of `make ui`, a Python shell), then retry. "
            f"Engine's answer: {error}"
        )
        raise RuntimeError(message) from error
