"""A real HTTP receiver on loopback, and Apprise's Telegram and Slack plug-ins pointed at it."""

import json
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from apprise import NotifyBase
from apprise.plugins.custom_json import NotifyJSON
from apprise.plugins.slack import NotifySlack
from apprise.plugins.telegram import NotifyTelegram

from tests.notifications.chat_services import HOSTS, serving
from tests.services.tls import make_certificate


@dataclass(frozen=True)
class Request:
    """What arrived."""

    path: str
    headers: dict[str, str]
    payload: Any


@dataclass
class Receiver:
    """Answers with `status` and `answer`, the first `failures` times with 500.

    Status 0 hangs up without an answer.
    """

    port: int = 0
    status: int = 200
    answer: bytes = b'{"ok": true}'
    failures: int = 0
    requests: list[Request] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def payloads(self) -> list[Any]:
        return [request.payload for request in self.requests]


class Handler(BaseHTTPRequestHandler):
    """Stores each request and answers as the receiver says."""

    def do_POST(self) -> None:
        receiver: Receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["Content-Length"]))
        receiver.requests.append(Request(self.path, dict(self.headers), json.loads(body)))
        failing = len(receiver.requests) <= receiver.failures
        if not receiver.status:
            self.close_connection = True
            return
        self.send_response(500 if failing else receiver.status)
        self.send_header("Content-Length", str(len(receiver.answer)))
        self.end_headers()
        self.wfile.write(receiver.answer)

    def log_message(self, *_: object) -> None:
        """Keeps the test output quiet."""


def _serve(receiver: Receiver):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.receiver = receiver
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield receiver
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def receiver():
    yield from _serve(Receiver())


@pytest.fixture
def other_receiver():
    yield from _serve(Receiver())


@pytest.fixture
def chats(receiver, monkeypatch):
    """The receiver in the place of api.telegram.org and Slack."""
    base = f"http://{receiver.address}"
    monkeypatch.setattr(NotifyTelegram, "notify_url", f"{base}/bot")
    monkeypatch.setattr(NotifySlack, "webhook_url", f"{base}/services")
    monkeypatch.setattr(NotifySlack, "api_url", base + "/api/{}")
    return receiver


@pytest.fixture(autouse=True)
def no_pause_between_requests(monkeypatch):
    for plugin in (NotifyBase, NotifyJSON, NotifySlack, NotifyTelegram):
        monkeypatch.setattr(plugin, "request_rate_per_sec", 0)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """One for all chat services, by an authority of its own."""
    names = ",".join(f"DNS:{host}" for host in HOSTS)
    return make_certificate(tmp_path_factory.mktemp("chats") / "tls", names)


@pytest.fixture
def services(certificate, monkeypatch):
    """Telegram and Slack on loopback; no other host can be reached."""
    with serving(certificate) as (served, port):

        def resolve(host, *_args, **_kwargs):
            assert host in HOSTS, host
            address = ("127.0.0.1", port)
            return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.authority))
        yield served
