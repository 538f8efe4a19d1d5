"""A message to people: what every chat can carry, whatever it says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from notifications.layout import within

Kind = Literal[
    "deployed",
    "not_deployed",
    "approval_awaited",
    "rolled_back",
    "data_rejected",
    "task_failed",
]
Links = Mapping[str, str | None]


@dataclass(frozen=True)
class Message:
    """A message in three blocks, so that a chat's length limit costs details and never links.

    Attributes:
        kind: Which event is told; the sender picks a colour by it.
        title: First line.
        lead: Lines fixed by the contract, below the title.
        details: Further lines of use.
        links: One `name: URL` a line.
    """

    kind: Kind
    title: str
    lead: tuple[str, ...]
    details: tuple[str, ...] = ()
    links: tuple[str, ...] = ()

    @property
    def body(self) -> str:
        """Everything below the title."""
        blocks = (self.lead, self.details, self.links)
        return "\n\n".join("\n".join(block) for block in blocks if block)

    @property
    def text(self) -> str:
        """The full plain text.

        >>> print(Message("deployed", "Done", ("It works.",), links=("Run: http://x",)).text)
        Done
        <BLANKLINE>
        It works.
        <BLANKLINE>
        Run: http://x
        """
        return f"{self.title}\n\n{self.body}"

    def within(self, limit: int) -> str:
        """The text in at most `limit` UTF-16 units (how chats count), details cut first."""
        lead = "\n".join((self.title, "", *self.lead))
        return within(lead, self.details, "\n".join(self.links), limit)
