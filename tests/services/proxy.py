"""A TCP proxy in front of a server, to take the server away at a chosen moment of a conversation.

It speaks no protocol: it looks for words in what the client sends, and both protocols of ClickHouse
carry a query as plain text.
"""

import selectors
import socket
import socketserver
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

_CHUNK = 1 << 16

Moment = Literal["asked", "answered", "answering"]
"""Of a query: before the server gets it; when its answer begins and none of it is passed on; in the
middle of its answer."""

_PASSED_ON = {"asked": 0, "answered": 0, "answering": 20_000}


@dataclass
class Proxy:
    """Forwards connections to a port of this machine until a query is seen that it waits for.

    Attributes:
        target: the server's port.
        words: what the query holds.
        occurrence: which of the queries that hold it: the first is 1.
        moment: when the server goes.
        strike: takes the server away; called once.
        seen: how many such queries passed by.
    """

    target: int
    words: bytes
    moment: Moment
    strike: Callable[[], object]
    occurrence: int = 1
    seen: int = 0
    struck: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> "Proxy":
        self._server = _Listener(("127.0.0.1", 0), _Conversation)
        self._server.proxy = self
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        """Where clients connect."""
        return int(self._server.server_address[1])

    def is_awaited(self, sent: bytes) -> bool:
        """Counts a query that holds the words; true for the one that is waited for."""
        if self.words not in sent:
            return False
        with self._lock:
            self.seen += 1
            return self.seen == self.occurrence

    def take_away(self) -> None:
        """Strikes, once."""
        with self._lock:
            if not self.struck:
                self.struck = True
                self.strike()


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    proxy: Proxy


class _Conversation(socketserver.BaseRequestHandler):
    server: _Listener
    request: socket.socket

    def handle(self) -> None:
        # The server of the tests does not survive a client that connects and says nothing.
        first = self.request.recv(_CHUNK)
        if not first:
            return
        try:
            upstream = socket.create_connection(("127.0.0.1", self.server.proxy.target))
        except ConnectionError:
            return
        try:
            with upstream:
                self._converse(first, upstream)
        except ConnectionError:
            return  # one side is gone, and so is the conversation

    def _converse(self, first: bytes, upstream: socket.socket) -> None:
        proxy = self.server.proxy
        sides: dict[Any, socket.socket] = {self.request: upstream, upstream: self.request}
        doomed, passed_on, before = False, 0, b""
        with selectors.DefaultSelector() as selector:
            for side in sides:
                selector.register(side, selectors.EVENT_READ)
            ready: Any = self.request
            chunk = first
            while chunk:
                if ready is self.request:
                    doomed = proxy.is_awaited(before + chunk) or doomed
                    before = (before + chunk)[1 - len(proxy.words) :]
                    if doomed and proxy.moment == "asked":
                        return proxy.take_away()
                elif doomed:
                    passed_on += len(chunk)
                    if passed_on > _PASSED_ON[proxy.moment]:
                        return proxy.take_away()
                sides[ready].sendall(chunk)
                ready = selector.select()[0][0].fileobj
                chunk = ready.recv(_CHUNK)
        return None
