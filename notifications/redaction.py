"""Keeps tokens out of what Apprise and its HTTP client log, and keeps their reasons for a failure.

Apprise writes request addresses at DEBUG, and a Telegram address holds the bot's token. It writes
the service's own answer ("not_in_channel", "chat not found") at DEBUG only, too.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from urllib.parse import quote, unquote

from notifications.message import Link, Message

MASK = "***"
# Shorter texts are ordinary words: masking them everywhere would make logs unreadable.
_SHORTEST = 5
_TOKEN = re.compile(r"(?=.*\d)(?=.*[A-Za-z]).{12,}")
_APPRISE = "apprise"
_HTTP_CLIENT = "urllib3.connectionpool"
_CAUSES = ("Response Details:", "Socket Exception:")
_RETRYING = re.compile(r"Attempt \d+/\d+ for .* failed; trying again\.")
_reasons: ContextVar[list[str] | None] = ContextVar("reasons", default=None)


def maskable(values: Iterable[str]) -> tuple[str, ...]:
    """All spellings of `values` to look for, longest first so that no end of one stays behind.

    >>> maskable(["p@ssword", "abc"])
    ('p%40ssword', 'p@ssword')
    """
    spelled = {form for value in values for form in (value, quote(value, safe=""), unquote(value))}
    long = (form for form in spelled if len(form) >= _SHORTEST)
    return tuple(sorted(long, key=lambda text: (-len(text), text)))


def token_pieces(url: str) -> tuple[str, ...]:
    """Parts of an address that look like tokens: long, with a digit, and not the host.

    >>> token_pieces("json://10.0.0.25:8080/hooks/a1b2c3d4e5f6?key=0123456789abcdef")
    ('a1b2c3d4e5f6', '0123456789abcdef')
    """
    _, _, rest = url.partition("://")
    beyond_host = re.split(r"[/?]", rest, maxsplit=1)[1:]
    pieces = re.split(r"[/?&=@:,#+\s]", "".join(beyond_host))
    return tuple(piece for piece in pieces if _TOKEN.fullmatch(piece))


def redacted(text: str, hidden: Sequence[str]) -> str:
    """`text` with every hidden value masked.

    >>> redacted("POST /bot123:abcdef/sendMessage", ["123:abcdef"])
    'POST /bot***/sendMessage'
    """
    for value in hidden:
        text = text.replace(value, MASK)
    return text


def masked(message: Message, hidden: Sequence[str]) -> Message:
    """The message with every hidden value masked, as in an error that quotes an address."""
    clean = partial(redacted, hidden=hidden)
    return replace(
        message,
        lead=tuple(map(clean, message.lead)),
        details=tuple(map(clean, message.details)),
        links=tuple(Link(link.name, clean(link.address)) for link in message.links),
    )


@contextmanager
def masked_logs(hidden: Sequence[str]) -> Iterator[None]:
    """Masks `hidden` in what Apprise and urllib3 log meanwhile, in any thread."""
    apprise = logging.getLogger(_APPRISE)
    level, shown_from = apprise.level, apprise.getEffectiveLevel()
    watch = _Watch(hidden, shown_from)
    loggers = (apprise, logging.getLogger(_HTTP_CLIENT))
    for logger in loggers:
        logger.addFilter(watch)
    apprise.setLevel(min(shown_from, logging.DEBUG))
    try:
        yield
    finally:
        apprise.setLevel(level)
        for logger in loggers:
            logger.removeFilter(watch)


@contextmanager
def noted_reasons() -> Iterator[list[str]]:
    """Collects why Apprise fails meanwhile in this thread; only inside of `masked_logs`."""
    reasons: list[str] = []
    token = _reasons.set(reasons)
    try:
        yield reasons
    finally:
        _reasons.reset(token)


@contextmanager
def silent_logs() -> Iterator[None]:
    """Drops what Apprise logs meanwhile: a refused URL is quoted there, token and all."""
    logger = logging.getLogger(_APPRISE)
    logger.addFilter(_drop)
    try:
        yield
    finally:
        logger.removeFilter(_drop)


class _Watch(logging.Filter):
    def __init__(self, hidden: Sequence[str], shown_from: int) -> None:
        super().__init__()
        self._hidden = hidden
        self._shown_from = shown_from

    def filter(self, record: logging.LogRecord) -> bool:
        text = redacted(record.getMessage(), self._hidden)
        record.msg, record.args = text, None
        if record.exc_info:
            trace = logging.Formatter().formatException(record.exc_info)
            record.exc_text, record.exc_info = redacted(trace, self._hidden), None
        if record.name != _APPRISE:
            return True
        _note(record.levelno, text)
        return record.levelno >= self._shown_from


def _note(level: int, text: str) -> None:
    reasons = _reasons.get()
    is_reason = level >= logging.WARNING or text.startswith(_CAUSES)
    if reasons is not None and is_reason and text not in reasons and not _RETRYING.fullmatch(text):
        reasons.append(text)


def _drop(_: logging.LogRecord) -> bool:
    return False
