"""What may stand where ClickHouse should: a proxy's page, half an answer, one that drips."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """Bytes that are sent for any request; one at a time if it `drips`."""

    content: bytes
    drips: bool = False


def http(
    body: bytes, status: str = "200 OK", kind: str = "text/html", *, length: int = -1
) -> bytes:
    """An HTTP answer; `length` is what its header claims if not the truth."""
    claimed = len(body) if length < 0 else length
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {claimed}\r\n"
    ours = "X-ClickHouse-Format: TabSeparatedWithNamesAndTypes\r\n" if kind != "text/html" else ""
    return f"{head}{ours}Connection: close\r\n\r\n".encode() + body


PAGE = b"<html><body><h1>Sign in</h1></body></html>\n"
TSV = "text/tab-separated-values; charset=UTF-8"
HELLO = b"\x00\xf8\x01" + 248 * b"C"
"""The begin of a server's answer in the native protocol: its name, of 248 letters."""

ANSWERS = {
    "http": {
        "page": Answer(http(PAGE)),
        "bad gateway": Answer(http(PAGE, "502 Bad Gateway")),
        "empty": Answer(http(b"")),
        "empty of ClickHouse": Answer(http(b"", kind=TSV)),
        "cut in the middle": Answer(http(b"1\nUInt8\n", kind=TSV, length=500)),
        "cut in a line": Answer(http(b"1\nUIn", kind=TSV)),
        "half of a header": Answer(b"HTTP/1.1 200 OK\r\nContent-Le"),
        "status only": Answer(b"HTTP/1.1 200 OK\r\n"),
        "half of the headers": Answer(b"HTTP/1.1 200 OK\r\nX-ClickHouse-Query-Id: 1\r\n"),
        "closed at once": Answer(b""),
        "other bytes": Answer(b"\x00\x03Cli\xff\xff" * 9),
    },
    "native": {
        "half of a hello": Answer(HELLO[:99]),
        "closed at once": Answer(b""),
        "other bytes": Answer(HELLO + b"\xff" * 99),
        "text that is none": Answer(b"\x00\x02\xff\xfe" * 9),
    },
}
DRIPPING = {
    "http": Answer(http(b"1\nUInt8\n1\n" * 99, kind=TSV), drips=True),
    "native": Answer(HELLO, drips=True),
}


@contextmanager
def broken_server(answer: Answer) -> Iterator[int]:
    """Listens on a port of this machine, which it yields, and answers every request alike."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        threading.Thread(target=_serve, args=(listening, answer), daemon=True).start()
        yield listening.getsockname()[1]


def _serve(listening: socket.socket, answer: Answer) -> None:
    while True:
        try:
            connected, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(connected, answer), daemon=True).start()


def _answer(connected: socket.socket, answer: Answer) -> None:
    with connected, suppress(OSError):
        connected.recv(65536)
        if not answer.drips:
            connected.sendall(answer.content)
            return
        for byte in answer.content:
            connected.sendall(bytes([byte]))
            time.sleep(1)
