"""Says in words what was decided about a candidate, for the pages and pictures made of metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ml.wording import when


@dataclass(frozen=True)
class Verdict:
    """What was decided.

    Attributes:
        state: `deployed`, `cleared` (may be deployed, not known to be), `refused` or `open`.
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


def waits_for_a_person(decision: Mapping[str, Any]) -> bool:
    """Whether the rule wants a person to decide, and nobody has."""
    return bool(decision["deploy"] and decision.get("doubts") and "approval" not in decision)


def verdict_of(metrics: Mapping[str, Any]) -> Verdict:
    """Reads the verdict out of `metrics.json`.

    >>> verdict_of({"decision": None}).title
    'Not judged yet'
    """
    if "decision" not in metrics:
        return Verdict("open", "Not known", "No readable metrics say what was decided.")
    decision = metrics["decision"]
    if not decision:
        meaning = "This candidate is trained; validate_model has not decided about it."
        return Verdict("open", "Not judged yet", meaning)
    told = tuple(decision.get("reasons", ())), tuple(decision.get("notes", ()))
    if waits_for_a_person(decision) and not metrics.get("deployed_at"):
        meaning = "It goes live only if a person approves it. Production is unchanged so far."
        return Verdict("open", "A person decides", meaning, *told)
    if not decision["deploy"]:
        meaning = "This candidate does not go live. Production is unchanged."
        return Verdict("refused", "Not deployed", meaning, *told)
    if metrics.get("deployed_at"):
        meaning = f"This model went into production on {when(metrics['deployed_at'])}."
        return Verdict("deployed", "Deployed", meaning, *told)
    meaning = "This candidate passed every check and may replace production."
    return Verdict("cleared", "Cleared for deployment", meaning, *told)
