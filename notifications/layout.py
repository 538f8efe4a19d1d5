"""How message text is laid out: single lines, bullet lists, and what goes when it is too long."""

from collections.abc import Iterable, Sequence
from itertools import islice

LONGEST_LINE = 500
LONGEST_LIST = 20
_SHORTENED = "… shortened"


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


def bullets(items: Iterable[str], mark: str = "•") -> tuple[str, ...]:
    """One marked line an item; a long list ends in how many are not shown.

    >>> bullets(["first", "second"])
    ('• first', '• second')
    >>> bullets(map(str, range(23)))[-2:]
    ('• 19', '… and 3 more')
    """
    remaining = iter(items)
    lines = tuple(f"{mark} {one_line(item)}" for item in islice(remaining, LONGEST_LIST))
    hidden = sum(1 for _ in remaining)
    return (*lines, f"… and {hidden} more") if hidden else lines


def in_sentence(reasons: Iterable[str]) -> str:
    """Joins reasons so that one full stop can follow them.

    >>> in_sentence(["62.0% is below 65.0%.", "production has 64.0%"])
    '62.0% is below 65.0%; production has 64.0%'
    """
    return "; ".join(one_line(reason).rstrip(".") for reason in reasons if reason.strip())


def within(lead: str, details: Sequence[str], links: str, limit: int) -> str:
    """Joins three blocks with blank lines, giving up details line by line to fit `limit`.

    >>> details = ["adx: too low", "atr_14: too high", "ema_9: missing"]
    >>> within("Lead", details, "Run: x", limit=60).splitlines()
    ['Lead', '', 'adx: too low', 'atr_14: too high', 'ema_9: missing', '', 'Run: x']
    >>> within("Lead", details, "Run: x", limit=40).splitlines()
    ['Lead', '', 'adx: too low', '… shortened', '', 'Run: x']

    Args:
        lead: Block that stays in any case.
        details: Lines given up from the last one on.
        links: Block that stays if it fits below the lead.
        limit: Length in UTF-16 code units, as Telegram counts: most emoji are two.
    """
    for kept in range(len(details), -1, -1):
        shown = [*details[:kept], *([_SHORTENED] if kept < len(details) else [])]
        text = "\n\n".join(block for block in (lead, "\n".join(shown), links) if block)
        if _utf16_length(text) <= limit:
            return text
    return _cut(lead, limit)


def _cut(text: str, limit: int) -> str:
    if _utf16_length(text) <= limit:
        return text
    room = max(0, 2 * (limit - 1))
    return f"{text.encode('utf-16-le')[:room].decode('utf-16-le', errors='ignore').rstrip()}…"


def _utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
