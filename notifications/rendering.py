"""Writes a message as a chat service wants it: Telegram's HTML, Slack's blocks.

Values from the data are text in both: escaped, and in Slack in blocks that know no markup. The
only markup is the bold title and the links, whose names are ours.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from typing import Any, Final

from notifications.layout import cut, one_line
from notifications.message import Link, Message

_LONGEST_SECTION: Final = 3_000
_LONGEST_HEADER: Final = 150
_SAFE_LINE: Final = _LONGEST_SECTION // len("&amp;")
_FALLBACK_LINES: Final = 3
_OPENS: Final = re.compile(r"https?://[^/?#]*\.[^/?#\s]+")


def as_html(message: Message) -> str:
    """Telegram's HTML.

    >>> print(as_html(Message("deployed", "Done", ("1 < 2",), links=(Link("Run", "http://a.b"),))))
    <b>Done</b>
    <BLANKLINE>
    1 &lt; 2
    <BLANKLINE>
    <a href="http://a.b">Run</a>
    """
    blocks = (message.lead, message.details)
    texts = [f"<b>{_escaped(message.title)}</b>"]
    texts += [_escaped("\n".join(block)) for block in blocks if block]
    if message.links:
        texts.append(_linked(message.links, _anchor))
    return "\n\n".join(texts)


def as_blocks(message: Message) -> dict[str, Any]:
    """Slack's blocks, with the first lines again as `fallback` for a phone's notification."""
    blocks: list[dict[str, Any]] = [
        {
            "type": "header",
            "text": {"type": "plain_text", "text": cut(_escaped(message.title), _LONGEST_HEADER)},
        },
        *map(_plain_section, _pieces(message.lead)),
        *map(_plain_section, _pieces(message.details)),
    ]
    if message.links:
        text = _linked(message.links, _mrkdwn_link)
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": text}})
    first = (message.title, *[line for line in message.lead if line][:_FALLBACK_LINES])
    return {"fallback": _escaped("\n".join(first)), "blocks": blocks}


def as_caption_block(caption: str) -> dict[str, Any]:
    """Slack's small print above a picture."""
    text = {"type": "plain_text", "text": _escaped(caption)}
    return {"fallback": _escaped(caption), "blocks": [{"type": "context", "elements": [text]}]}


def _escaped(text: str) -> str:
    return escape(text, quote=False)


def _linked(links: Sequence[Link], written: Callable[[Link], str]) -> str:
    """The links that open in one line, each other one as it is in a line of its own."""
    opened = " · ".join(written(link) for link in links if _opens(link))
    closed = [_escaped(f"{link.name}: {link.address}") for link in links if not _opens(link)]
    return "\n".join([*([opened] if opened else []), *closed])


def _anchor(link: Link) -> str:
    return f'<a href="{escape(link.address)}">{_escaped(link.name)}</a>'


def _mrkdwn_link(link: Link) -> str:
    return f"<{_escaped(link.address).replace('|', '%7C')}|{_escaped(link.name)}>"


def _opens(link: Link) -> bool:
    """Whether chats make a link of an address: Telegram drops those of a host without a dot."""
    return _OPENS.match(link.address) is not None


def _plain_section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "plain_text", "text": text, "emoji": False}}


def _pieces(lines: Iterable[str]) -> Iterator[str]:
    """Escaped lines in texts that fit a section; a line is never divided."""
    piece = ""
    for raw in lines:
        line = _escaped(raw)
        if len(line) > _LONGEST_SECTION:
            line = _escaped(one_line(raw, _SAFE_LINE))
        longer = f"{piece}\n{line}" if piece else line
        if len(longer) > _LONGEST_SECTION:
            yield piece
            longer = line
        piece = longer
    if piece:
        yield piece
