"""What a chat may answer: not without end, and with its own yes where that is known.

Apprise's plug-ins call `requests.post` and read what comes, all of it. So `requests` gets a session
that is its own, but for requests of a delivery: there an answer has an end, in bytes and in time.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter

IsYes = Callable[[bytes], bool]
"""Whether the body of an answer with status 200 says that the message was taken."""

ANSWER_SECONDS: Final = 15.0
"""Apprise's own 4 seconds are short: a message taken later than that would be sent twice."""
_LARGEST: Final = 1_000_000
_PIECE: Final = 65_536
_expected: ContextVar[IsYes | None] = ContextVar("expected", default=None)
log = logging.getLogger("apprise")


@contextmanager
def bounded_answers(is_yes: IsYes) -> Iterator[None]:
    """Bounds what is answered to this thread's requests meanwhile, and asks each for its yes."""
    requests.sessions.Session = _Session  # type: ignore[misc] # its plug-ins find it there
    token = _expected.set(is_yes)
    try:
        yield
    finally:
        _expected.reset(token)


class _Adapter(HTTPAdapter):
    def send(
        self, request: requests.PreparedRequest, *args: Any, **options: Any
    ) -> requests.Response:
        is_yes = _expected.get()
        if is_yes is None:
            return super().send(request, *args, **options)
        until = time.monotonic() + ANSWER_SECONDS
        with super().send(request, *args, **(options | {"stream": True})) as response:
            response._content = _read(response, until)  # noqa: SLF001 - as `content` does
        if response.status_code == requests.codes.ok and not is_yes(response.content):
            log.warning("It answered 200, but not as this chat does: a proxy or a portal?")
            response.status_code = requests.codes.bad_gateway
        return response


class _Session(requests.Session):
    def __init__(self) -> None:
        super().__init__()
        for scheme in ("https://", "http://"):
            self.mount(scheme, _Adapter())


def _read(response: requests.Response, until: float) -> bytes:
    content = b""
    for piece in response.iter_content(_PIECE):
        content += piece
        if len(content) > _LARGEST:
            raise requests.RequestException(f"the answer is longer than {_LARGEST:,} bytes")
        if time.monotonic() > until:
            raise requests.Timeout(f"the answer takes longer than {ANSWER_SECONDS:g} s")
    return content


def says_ok(content: bytes) -> bool:
    """Telegram's yes.

    >>> says_ok(b'{"ok": true, "result": {}}'), says_ok(b"<html>Log in, please</html>")
    (True, False)
    """
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(answer, Mapping) and answer.get("ok") is True


def is_ok(content: bytes) -> bool:
    """The yes of a Slack webhook."""
    return content.strip() == b"ok"


def anything(_: bytes) -> bool:
    """The yes of a service that has none but its status."""
    return True
