"""What a message is: its parts, its plain text, and what it gives up when it is too long."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Literal, NamedTuple

from notifications.layout import cut, one_line, utf16_length, visible

Kind = Literal[
    "deployed",
    "kept",
    "waiting",
    "rolled_back",
    "rejected",
    "failed",
    "worrying",
    "well",
]

Links = Mapping[str, str | None]
"""Addresses by name, as far as they are known."""

_SHORTENED = "… shortened"
_SHORTEST_LINE = 80


class Link(NamedTuple):
    """An address with what a reader finds there."""

    name: str
    address: str


@dataclass(frozen=True)
class Picture:
    """A picture that goes with a message where a chat takes it; `name` is a file's name."""

    name: str
    content: bytes = field(repr=False)

    @property
    def caption(self) -> str:
        """The name for people.

        >>> Picture("confusion_matrix.png", b"").caption
        'Confusion matrix'
        """
        return PurePath(self.name).stem.replace("_", " ").capitalize()


@dataclass(frozen=True)
class Message:
    """A message in blocks, so that a chat's length limit costs details and never links.

    Attributes:
        kind: Which event is told; the sender picks a colour by it.
        title: First line.
        lead: Lines fixed by the contract, below the title.
        details: Further lines of use.
        links: Where to read on.
        pictures: What goes with it where a chat takes pictures.
    """

    kind: Kind
    title: str
    lead: tuple[str, ...]
    details: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    pictures: tuple[Picture, ...] = ()

    def __post_init__(self) -> None:
        for name in ("lead", "details"):
            object.__setattr__(self, name, tuple(map(visible, getattr(self, name))))

    @property
    def text(self) -> str:
        """The full plain text.

        >>> print(Message("deployed", "Done", ("It works.",), links=(Link("Run", "http://x"),)).text)
        Done
        <BLANKLINE>
        It works.
        <BLANKLINE>
        Run: http://x
        """
        links = tuple(f"{name}: {address}" for name, address in self.links)
        blocks = ((self.title,), self.lead, self.details, links)
        return "\n\n".join("\n".join(block) for block in blocks if block)

    def shortened(self, limit: int) -> "Message":
        """A message whose text has at most `limit` UTF-16 units, if its fixed parts allow that.

        Details are given up from the last one on, then the ends of the longest lines of the lead.

        >>> message = Message("deployed", "Lead", (), ("adx: too low", "atr_14: too high"))
        >>> message.shortened(30).text.splitlines()
        ['Lead', '', 'adx: too low', '… shortened']
        """
        if utf16_length(self.text) <= limit:
            return self
        for kept in range(len(self.details) - 1, -1, -1):
            shorter = replace(self, details=(*_without_heading(self.details[:kept]), _SHORTENED))
            if utf16_length(shorter.text) <= limit:
                return shorter
        return _with_shorter_lead(replace(self, details=()), limit)

    def within(self, limit: int) -> str:
        """The text in at most `limit` UTF-16 units."""
        return cut(self.shortened(limit).text, limit)


def _with_shorter_lead(message: Message, limit: int) -> Message:
    while (excess := utf16_length(message.text) - limit) > 0:
        longest = max(message.lead, key=len, default="")
        if len(longest) <= _SHORTEST_LINE:
            break
        line = one_line(longest, max(_SHORTEST_LINE, len(longest) - excess))
        lead = tuple(line if old == longest else old for old in message.lead)
        message = replace(message, lead=lead)
    return message


def _without_heading(lines: tuple[str, ...]) -> tuple[str, ...]:
    return lines[:-1] if lines and lines[-1].endswith(":") else lines
