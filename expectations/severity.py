"""How much weight a rule has, and its words: the arguments every expectation of the suite takes."""

from typing import Any, Final, Literal

LABEL_MORE: Final = "Please label more data and retry."
CORRECT_SOURCE: Final = (
    "Please correct what writes these features into regime_features, then clear check_data."
)
_CORRECT: Final = "Please correct these rows in regime_features, then clear check_data."


def critical(rule: str, expected: str, why: str, remedy: str = _CORRECT) -> dict[str, Any]:
    """Words of a rule that blocks: without it no model may be trained.

    Its short name, what it expects, and in a sentence each why that matters and what to do.
    """
    return _words("critical", rule=rule, expected=expected, why=why, remedy=remedy)


def warning(rule: str, expected: str, why: str) -> dict[str, Any]:
    """Words of a rule that is only reported: a market may do that, and a person should look."""
    return _words("warning", rule=rule, expected=expected, why=why)


def _words(severity: Literal["critical", "warning"], **words: str) -> dict[str, Any]:
    return {
        "description": f"{words['rule']}: {words['expected']}",
        "severity": severity,
        "meta": words,
    }
