"""Numbers, times and verdicts in words for people, the same in every report."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

_BASELINES: Final[Mapping[str, str]] = {
    "most_frequent": "always the most frequent regime",
    "last_label": "the symbol's label just before, which no model is told",
    "linear": "a linear model",
    "stump": "a tree of one split",
}
_UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60))
_UNKNOWN: Final = "not known"


def percent(share: Any) -> str:
    """A share.

    >>> percent(0.78449), percent(None)
    ('78.4%', 'not known')
    """
    return f"{share:.1%}" if _is_number(share) else _UNKNOWN


def points(difference: Any) -> str:
    """A difference of shares in percentage points, with its sign.

    >>> points(-0.031)
    '−3.1'
    """
    return f"{100 * difference:+.1f}".replace("-", "−") if _is_number(difference) else _UNKNOWN


def when(time: Any) -> str:
    """An ISO 8601 time.

    >>> when("2026-11-22T02:00:00+00:00")
    '2026-11-22 02:00 UTC'
    """
    then = moment(time)
    return _UNKNOWN if then is None else f"{then:%Y-%m-%d %H:%M} UTC"


def sentence(words: Any) -> str:
    """Words that stand alone.

    >>> sentence("the floor is missed"), sentence("Label more.")
    ('The floor is missed.', 'Label more.')
    """
    text = str(words).removesuffix(".")
    return f"{text[:1].upper()}{text[1:]}."


def day(time: Any) -> str:
    """An ISO 8601 time as people name a day.

    >>> day("2026-11-22T02:00:00+00:00")
    'Sun 22 Nov 2026'
    """
    then = moment(time)
    return _UNKNOWN if then is None else f"{then:%a %d %b %Y}"


def age(time: Any, now: datetime) -> str:
    """How long ago an ISO 8601 time is.

    >>> now = datetime(2026, 11, 22, 3, tzinfo=UTC)
    >>> age("2026-11-20T02:00:00+00:00", now), age("2026-11-22T02:59:00+00:00", now)
    ('2 days ago', '1 minute ago')
    """
    then = moment(time)
    if then is None:
        return _UNKNOWN
    seconds = (now - then).total_seconds()
    fitting = [(name, size) for name, size in _UNITS if abs(seconds) >= 2 * size]
    unit, size = fitting[0] if fitting else _UNITS[-1]
    count = int(seconds / size)
    return f"{count} {unit}{'' if count == 1 else 's'} ago"


def span(seconds: float) -> str:
    """How long something lasts.

    >>> span(300), span(3600), span(5400), span(28800)
    ('5 min', '1 h', '1.5 h', '8 h')
    """
    return f"{seconds / 60:.0f} min" if seconds < 3_600 else f"{seconds / 3_600:.3g} h"


def moment(text: Any) -> datetime | None:
    """An ISO 8601 time as one in UTC; None if it is none.

    >>> moment("2026-11-22T02:00:00").tzinfo, moment("soon"), moment("9999-12-31T23:00-14:00")
    (datetime.timezone.utc, None, None)
    """
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def number(value: Any) -> str:
    """Any value of `metrics.json`, fractions with at most six digits that count.

    >>> number(1234567), number(0.123456789), number(None)
    ('1,234,567', '0.123457', 'not known')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if _is_number(value):
        return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
    return visible(value) if isinstance(value, str) else _UNKNOWN


def visible(text: str) -> str:
    r"""A text in which a sign that cannot be seen, or turns others round, is written as its escape.

    >>> print(visible("range\x1b[31m\u202e"))
    range\x1b[31m\u202e
    """
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def baseline(name: str) -> str:
    """The name of a baseline.

    >>> baseline("last_label"), baseline("coin_toss")
    ("the symbol's label just before, which no model is told", 'coin toss')
    """
    return _BASELINES.get(name, name.replace("_", " "))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True)
class Verdict:
    """What a run came to.

    Attributes:
        state: `deployed`, `kept`, `rejected`, `failed` or `waiting`; on the way there `passed` (may
            be deployed, not known to be) or `open`.
        title: the state in words.
        meaning: what follows from it, one sentence.
        reasons: what it rests on.
        notes: what a reader must know besides.
    """

    state: str
    title: str
    meaning: str
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


_WITHOUT_CANDIDATE: Final[Mapping[str, Verdict]] = {
    "rejected": Verdict("rejected", "Rejected", "The data gate let nothing through to train on."),
    "failed": Verdict("failed", "Failed", "A task did not come to its end."),
    "running": Verdict("open", "Running", "The run has not ended yet."),
}
"""What becomes of runs of which no metrics tell."""


def waits_for_a_person(decision: Mapping[str, Any]) -> bool:
    """Whether the rule wants a person to decide, and nobody has."""
    return bool(decision["deploy"] and decision.get("doubts") and "approval" not in decision)


def verdict_of(metrics: Mapping[str, Any]) -> Verdict:  # noqa: PLR0911 - one for each state
    """Reads what a run came to out of `metrics.json`, or out of its `outcome` and `reasons`.

    >>> verdict_of({"decision": None}).title, verdict_of({"outcome": "rejected"}).state
    ('Not judged yet', 'rejected')
    """
    if metrics.get("outcome") in _WITHOUT_CANDIDATE:
        found = _WITHOUT_CANDIDATE[metrics["outcome"]]
        return replace(found, reasons=tuple(metrics.get("reasons") or ()))
    if "decision" not in metrics:
        return Verdict("open", "Not known", "No readable metrics say what was decided.")
    decision = metrics["decision"]
    if not decision:
        meaning = "This candidate is trained; validate_model has not decided about it."
        return Verdict("open", "Not judged yet", meaning)
    told = tuple(decision.get("reasons", ())), tuple(decision.get("notes", ()))
    if waits_for_a_person(decision) and not metrics.get("deployed_at"):
        meaning = "It goes live only if a person approves it. Production is unchanged so far."
        return Verdict("waiting", "Waiting for a person", meaning, *told)
    if not decision["deploy"]:
        meaning = "Production is kept: this candidate does not go live."
        return Verdict("kept", "Kept", meaning, *told)
    if metrics.get("deployed_at"):
        meaning = f"This model went into production on {when(metrics['deployed_at'])}."
        return Verdict("deployed", "Deployed", meaning, *told)
    meaning = "This candidate passed every check and may replace production."
    return Verdict("passed", "Passed", meaning, *told)
