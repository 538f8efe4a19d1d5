"""What the page Production shows of the days: the facts, without what only judging needs."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from ml.contract import REGIMES


def summary_of(days: Mapping[date, Mapping[str, Any]]) -> dict[str, Any]:
    """Sums the days up.

    Args:
        days: facts of each, oldest first, at least one.

    Returns:
        `states` of what worries after the newest day, what labels say (`truth`), and `days`: of
        each the rows, how many came late, whether it was judged, the rows labelled since production
        was trained (`labelled`), what worried by its kind, the
        regimes that production answered, how many runs of one a symbol had, and its confidence.
    """
    newest = days[max(days)]
    return {
        "states": {t: s for t, s in newest.get("states", {}).items() if s["worrying"]},
        "truth": {k: v for k, v in (newest.get("truth") or {}).items() if k != "blocks"},
        "days": [_day(day, facts) for day, facts in sorted(days.items())],
    }


def _day(day: date, facts: Mapping[str, Any]) -> dict[str, Any]:
    answers = facts.get("answers") or {}
    symbols = answers.get("symbols")
    turn = facts.get("turn") or {}
    return {
        "day": day.isoformat(),
        "rows": facts["rows"],
        "symbols": sum(1 for name in facts["feeds"] if name),
        "late": sum(late for _, late in facts.get("late", {}).values()),
        "judged": "worrying" in facts,
        "labelled": (facts.get("truth") or {}).get("rows", 0),
        "worrying": facts.get("worrying", {}),
        "words": [
            facts["states"][thing]["words"]
            for thing in turn.get("worrying", ())
            if thing in facts["states"]
        ],
        "well": list(turn.get("well", ())),
        "regimes": dict(zip(REGIMES, answers.get("regimes", ()), strict=False)),
        "runs": answers["runs"] / symbols if symbols else None,
        "confidence": answers.get("confidence"),
    }
