"""How message text is laid out: single lines, bullet lists, and lengths as chats count them."""

from collections.abc import Iterable
from itertools import islice

LONGEST_LINE = 500
LONGEST_LIST = 20


def one_line(text: str, limit: int = LONGEST_LINE) -> str:
    r"""Folds `text` into one line of at most `limit` characters, cut at a word.

    >>> one_line("no such   table\n  runs.x")
    'no such table runs.x'
    >>> one_line("the disk of the worker is full", limit=20)
    'the disk of the…'
    """
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    kept = line[: limit - 1]
    at_word = kept if line[limit - 1] == " " else kept.rpartition(" ")[0]
    return f"{(at_word or kept).rstrip()}…"


def visible(line: str) -> str:
    r"""A line in which a sign that cannot be seen, or turns others round, is written as its escape.

    >>> print(visible("range\x1b[31m\u202e"))
    range\x1b[31m\u202e
    """
    if line.isprintable():
        return line
    # The joiner makes one emoji of several.
    signs = (c if c.isprintable() or c == "\u200d" else ascii(c)[1:-1] for c in line)
    return "".join(signs)


def bullets(items: Iterable[str], mark: str = "•", longest: int = LONGEST_LIST) -> tuple[str, ...]:
    """One marked line an item; a long list ends in how many are not shown.

    >>> bullets(["first", "second"])
    ('• first', '• second')
    >>> bullets(map(str, range(23)))[-2:]
    ('• 19', '… and 3 more')
    """
    remaining = iter(items)
    lines = tuple(f"{mark} {one_line(item)}" for item in islice(remaining, longest))
    hidden = sum(1 for _ in remaining)
    return (*lines, f"… and {hidden} more") if hidden else lines


def in_sentence(reasons: Iterable[str]) -> str:
    """Joins reasons so that one full stop can follow them.

    >>> in_sentence(["62.0% is below 65.0%.", "production has 64.0%"])
    '62.0% is below 65.0%; production has 64.0%'
    """
    return "; ".join(one_line(reason).rstrip(".") for reason in reasons if reason.strip())


def cut(text: str, limit: int) -> str:
    """At most `limit` UTF-16 units of a text, never half a character."""
    if utf16_length(text) <= limit:
        return text
    room = max(0, 2 * (limit - 1))
    return f"{text.encode('utf-16-le')[:room].decode('utf-16-le', errors='ignore').rstrip()}…"


def utf16_length(text: str) -> int:
    """Length in UTF-16 code units, as Telegram counts: most emoji are two.

    >>> utf16_length("🎯 ok")
    5
    """
    return len(text.encode("utf-16-le")) // 2
