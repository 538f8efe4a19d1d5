"""What the page Production shows of the days: the facts, without what only judging needs."""

from collections.abc import Mapping
from datetime import date
from itertools import islice
from statistics import median
from typing import Any, Final

from ml.contract import REGIMES

_USUAL: Final = 28
"""Days before, of which is counted how long a value usually stays the same."""
_FEW_DAYS: Final = 3


def summary_of(days: Mapping[date, Mapping[str, Any]]) -> dict[str, Any]:
    """Sums the days up.

    Args:
        days: facts of each, oldest first, at least one.

    Returns:
        `states` of what worries after the newest day, what labels say (`truth`), `features` of
        the newest day, see `freshness`, and `days`: of
        each the rows, how many came late, whether it was judged, the rows labelled since production
        was trained (`labelled`), what worried by its kind, the
        regimes that production answered, how many runs of one a symbol had, and its confidence.
    """
    newest = days[max(days)]
    return {
        "states": {t: s for t, s in newest.get("states", {}).items() if s["worrying"]},
        "truth": {k: v for k, v in (newest.get("truth") or {}).items() if k != "blocks"},
        "features": freshness(days),
        "days": [_day(day, facts) for day, facts in sorted(days.items())],
    }


def freshness(days: Mapping[date, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What the newest day says of each feature; nothing where it has no rows.

    Args:
        days: facts of each, oldest first, at least one; those of older versions lack features,
            and none has a feature that is new.

    Returns:
        Of each `missing`: the share of rows without a value; seconds, each of the symbol where it
        is longest: `age` of the newest value at the end of the day, and for how long that has been
        the same (`still`, of `longest`); and `usual`, the median of `still` over the 28 days
        before, None where fewer than three are known.
    """
    newest, *before = [days[day] for day in sorted(days, reverse=True)]
    found = {}
    for name, now in newest.get("features", {}).items():
        known = (facts.get("features", {}).get(name) for facts in before)
        past = [was["still"] for was in islice(filter(None, known), _USUAL)]
        found[name] = {
            "missing": now["missing"] / newest["rows"],
            "usual": median(past) if len(past) >= _FEW_DAYS else None,
            **{key: now[key] for key in ("age", "still", "longest")},
        }
    return found


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
