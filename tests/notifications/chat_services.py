"""Telegram and Slack on loopback: real HTTPS under their own names, answering as they do."""

import json
import socket
import socketserver
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.services.tls import Certificate

HOSTS = ("api.telegram.org", "hooks.slack.com", "slack.com")


@dataclass(frozen=True)
class Answer:
    """What is answered: a status and a body, after a while, or a reset connection (status 0)."""

    status: int = 200
    body: bytes = b"ok"
    headers: tuple[tuple[str, str], ...] = ()
    after: float = 0.0


@dataclass(frozen=True)
class Arrived:
    """A request as it arrived."""

    method: str
    host: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def payload(self) -> Any:
        return json.loads(self.body)


USUAL = {
    "hooks.slack.com": Answer(),
    "/sendMessage": Answer(body=b'{"ok": true}'),
    "/sendPhoto": Answer(body=b'{"ok": true}'),
    "/api/chat.postMessage": Answer(body=b'{"ok": true, "channel": "C0123"}'),
    "/api/files.getUploadURLExternal": Answer(
        body=b'{"ok": true, "file_id": "F1", "upload_url": "https://slack.com/upload/F1"}'
    ),
    "/upload/F1": Answer(body=b"OK - 3"),
    "/api/files.completeUploadExternal": Answer(body=b'{"ok": true, "files": [{"id": "F1"}]}'),
}


@dataclass
class ChatServices:
    """What arrived, and what is answered: first `script`, then by path, then as usual."""

    arrived: list[Arrived] = field(default_factory=list)
    script: list[Answer] = field(default_factory=list)
    by_path: dict[str, Answer] = field(default_factory=dict)
    on_arrival: Callable[[Arrived], object] = bool

    @property
    def paths(self) -> list[str]:
        return [request.path.rpartition("/")[2] for request in self.arrived]

    def answer(self, request: Arrived) -> Answer:
        self.arrived.append(request)
        self.on_arrival(request)
        if self.script:
            return self.script.pop(0)
        known = {**USUAL, **self.by_path}.items()
        name = f"{request.host}{request.path}".partition("?")[0]
        return [answer for part, answer in known if part in name][-1]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        host = str(self.headers["Host"])
        request = Arrived(self.command, host, self.path, dict(self.headers), body)
        answer = self.server.services.answer(request)  # type: ignore[attr-defined]
        time.sleep(answer.after)
        self.close_connection = True
        if not answer.status:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            return
        self.send_response(answer.status)
        for name, value in (*answer.headers, ("Content-Length", str(len(answer.body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST  # noqa: N815 - the name is http.server's

    def log_message(self, *_: object) -> None:
        """Keeps the test output quiet."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that gave up waiting is part of a test."""


@contextmanager
def serving(certificate: Certificate) -> Iterator[tuple[ChatServices, int]]:
    """Serves with TLS; gives what arrives and the port."""
    server = _Server(("127.0.0.1", 0), _Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    services = ChatServices()
    server.services = services  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield services, int(server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def mail_server(to_login: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """An SMTP server that answers each try to log in so; gives its port, and the tries."""
    logins: list[bytes] = []

    class Mail(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 mail\r\n")
            for line in self.rfile:
                command = line[:4].upper()
                if command == b"AUTH":
                    logins.append(line)
                    self.wfile.write(to_login + b"\r\n")
                elif command == b"EHLO":
                    self.wfile.write(b"250-mail\r\n250 AUTH PLAIN\r\n")
                else:
                    self.wfile.write(b"221 bye\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield int(server.server_address[1]), logins
        finally:
            server.shutdown()
            thread.join()
