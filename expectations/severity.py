"""How much weight a rule has, and its words: the arguments every expectation of the suite takes."""

from typing import Any, Literal


def critical(rule: str, expected: str, why: str) -> dict[str, Any]:
    """Words of a rule that blocks: without it no model may be trained.

    Args:
        rule: short name.
        expected: what it expects.
        why: why it matters, in one sentence.
    """
    return _words(rule, expected, why, "critical")


def warning(rule: str, expected: str, why: str) -> dict[str, Any]:
    """Words of a rule that is only reported: a market may do that, and a person should look."""
    return _words(rule, expected, why, "warning")


def _words(
    rule: str, expected: str, why: str, severity: Literal["critical", "warning"]
) -> dict[str, Any]:
    return {
        "description": f"{rule}: {expected}",
        "severity": severity,
        "meta": {"rule": rule, "expected": expected, "why": why},
    }
