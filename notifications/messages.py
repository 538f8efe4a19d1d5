"""What the chat messages say: facts in, text out.

The first lines of every message are fixed by the project's contract; details and links stand below
them. Nothing here sends, reads a setting or knows a chat service: `notifications.sender` does that.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from notifications.facts import FailedRule, FailedTask, RegimeCount, RejectedData, TrainingFacts
from notifications.layout import bullets, in_sentence, one_line, within

COMPLETE_TITLE = "🎯 Regime Detection Model Training Complete"
FAILED_TITLE = "❌ Regime Detection Model Training Failed"
AWAITED_TITLE = "✋ Regime Detection Model Awaits Approval"
_READ_THE_LOG = "Please read the task's log, remove the cause and retry."
_LONGEST_VALUE = 120

Kind = Literal["deployed", "not_deployed", "approval_awaited", "data_rejected", "task_failed"]
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


def deployed(facts: TrainingFacts, links: Links | None = None) -> Message:
    """Tells that the new model is in production."""
    lead = ("Model deployed to production.", "Application will use new model on next restart.")
    details = (*_training_details(facts), *bullets(facts.reasons))
    return Message(
        "deployed", COMPLETE_TITLE, (*_training_head(facts), "", *lead), details, _link_lines(links)
    )


def not_deployed(facts: TrainingFacts, links: Links | None = None) -> Message:
    """Tells that production keeps its model, and why; all reasons stand in one sentence."""
    reasons = in_sentence(facts.reasons) or "no reason was given"
    lead = (f"Model not deployed: {reasons}.", "Production model unchanged.")
    return Message(
        "not_deployed",
        COMPLETE_TITLE,
        (*_training_head(facts), "", *lead),
        _training_details(facts),
        _link_lines(links),
    )


def approval_awaited(facts: TrainingFacts, until: datetime, links: Links | None = None) -> Message:
    """Tells that a model is good enough and waits for a person's yes until a moment."""
    lead = (
        *_numbers(facts),
        f"⏳ Answer by: {_utc(until)}",
        "",
        "Please approve or reject it in Airflow.",
        "Without an answer, production keeps its model.",
    )
    details = (*_training_details(facts), *bullets(facts.reasons))
    return Message("approval_awaited", AWAITED_TITLE, lead, details, _link_lines(links))


def data_rejected(facts: RejectedData, links: Links | None = None) -> Message:
    """Tells which rules the labelled data breaks and what must be labelled."""
    lead = (
        f"Task: {one_line(facts.task_id)}",
        "Error: Insufficient data quality",
        f"Samples: {facts.samples} (need {facts.needed}+)",
        "",
        "Please label more data and retry.",
    )
    failed = bullets(_rule_line(rule) for rule in facts.failed)
    regimes = bullets(_regime_line(count) for count in facts.regimes)
    details = (*_headed("Failed expectations:", failed), *_headed("Labels per regime:", regimes))
    return Message("data_rejected", FAILED_TITLE, lead, details, _link_lines(links))


def task_failed(facts: FailedTask, links: Links | None = None) -> Message:
    """Tells which task failed with which error, and what to do.

    >>> print(task_failed(FailedTask("train_model", "disk full", "Free some space.")).text)
    ❌ Regime Detection Model Training Failed
    <BLANKLINE>
    Task: train_model
    Error: disk full
    <BLANKLINE>
    Free some space.
    """
    lead = (
        f"Task: {one_line(facts.task_id)}",
        f"Error: {one_line(facts.error) or 'no error text'}",
        "",
        one_line(facts.remedy or "") or _READ_THE_LOG,
    )
    return Message("task_failed", FAILED_TITLE, lead, links=_link_lines(links))


def _training_head(facts: TrainingFacts) -> tuple[str, ...]:
    return ("✅ Status: SUCCESS", *_numbers(facts), f"🕐 Completed: {_utc(facts.completed)}")


def _numbers(facts: TrainingFacts) -> tuple[str, ...]:
    return (
        f"📊 Test Accuracy: {facts.test_accuracy:.1%}",
        f"📈 Training Samples: {facts.samples}",
    )


def _utc(moment: datetime) -> str:
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _training_details(facts: TrainingFacts) -> tuple[str, ...]:
    notes = bullets(facts.notes, mark="⚠️")
    if facts.comparison is None:
        return notes
    compared = facts.comparison
    line = (
        f"Compared on the same {compared.rows} rows: candidate {compared.candidate:.2%}, "
        f"production {compared.production:.2%}."
    )
    return (*notes, line)


def _rule_line(failed: FailedRule) -> str:
    expected = one_line(failed.expected, _LONGEST_VALUE)
    observed = one_line(failed.observed, _LONGEST_VALUE)
    return f"{one_line(failed.rule, _LONGEST_VALUE)}: expected {expected}, observed {observed}"


def _regime_line(count: RegimeCount) -> str:
    missing = f" ({count.missing} more needed)" if count.missing > 0 else ""
    return f"{one_line(count.regime)}: {count.samples}{missing}"


def _headed(heading: str, lines: tuple[str, ...]) -> Iterable[str]:
    return (heading, *lines) if lines else ()


def _link_lines(links: Links | None) -> tuple[str, ...]:
    return tuple(f"{name}: {url}" for name, url in (links or {}).items() if url)
