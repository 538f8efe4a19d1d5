"""What a replay shows: which rule would have done best, what age costs, how far promises held."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ml.evaluation.statistics import Leads, searched_leads
from ml.replay.rules import NEVER, Course, History, Rule, follow, grid

Found = dict[str, Any]


def compare_rules(history: History, present: Rule, first: int) -> Found:
    """Follows every rule of the grid, and says whether one is better than the present one.

    Args:
        history: what candidates predicted.
        present: the rule as it is set.
        first: the Sunday whose candidate is live at first under every rule.

    Returns:
        `rules`, the present one first; `recommended`, the number of one of them, which is the
        present one where no other is better by more than chance; and `retraining`, the lead of the
        present rule over never training again.
    """
    rules = list(dict.fromkeys(grid(present)))
    courses = [follow(history, rule, first) for rule in rules]
    # Rules that led to the same models are one way, told in the words nearest to the present ones.
    ways: dict[tuple[int, ...], int] = {}
    for number in sorted(range(len(rules)), key=lambda k: len(_changes(rules[k], rules[0]))):
        ways.setdefault(courses[number].live, number)
    distinct = list(ways.values())
    rows = history.rows[first:].astype(float)
    gained = np.array([courses[k].correct - courses[0].correct for k in distinct], float)
    leads = searched_leads(gained, rows)
    places = {courses[number].live: place for place, number in enumerate(distinct)}
    best = int(max(course.correct.sum() for course in courses))
    return {
        "rules": [
            _told(rule, rules[0], course, rows, best) | _lead(leads, places[course.live])
            for rule, course in zip(rules, courses, strict=True)
        ],
        "different_ways": len(distinct),
        "recommended": _recommended(leads, distinct),
        "retraining": _retraining(rules, courses, rows),
    }


def age_costs(history: History) -> list[Found]:
    """Accuracy by weeks since a candidate's Sunday, beside the newest one of the same weeks."""
    trained = [number for number, found in enumerate(history.candidates) if found]
    found = []
    for age in range(len(history.candidates)):
        weeks = [week for week in trained if week - age in trained and history.rows[week]]
        if not weeks:
            continue
        old = history.correct[[week - age for week in weeks], weeks]
        fresh, rows = history.correct[weeks, weeks], history.rows[weeks]
        lead = searched_leads((old - fresh)[None].astype(float), rows.astype(float))
        found.append(
            {
                "weeks_since_training": age,
                "weeks": len(weeks),
                "rows": int(rows.sum()),
                "accuracy": float(old.sum() / rows.sum()),
                "newest_accuracy": float(fresh.sum() / rows.sum()),
                **_lead(lead, 0),
            }
        )
    return found


def kept_promises(history: History) -> Found:
    """How often accuracy lay in its promised interval, on as long a stretch as the holdout's.

    Sundays whose following rows do not reach that far say nothing yet.
    """
    held = told = 0
    for number, week in enumerate(history.weeks):
        candidate = history.candidates[number]
        if candidate is None or candidate.evidence.interval is None:
            continue
        stretch = candidate.holdout.stop - candidate.holdout.start
        if week.start + stretch > len(history.samples):
            continue
        following = history.right(number, slice(week.start, week.start + stretch))
        low, high = candidate.evidence.interval
        told += 1
        held += bool(low <= following.mean() <= high)
    return {"held": held, "told": told}


def gate_stops(stopped_by: Sequence[Sequence[str]]) -> Found:
    """How often the data gate stopped, and by which rule."""
    rules = Counter(rule for stops in stopped_by for rule in stops)
    return {"stopped": sum(map(bool, stopped_by)), "rules": dict(rules.most_common())}


def _told(rule: Rule, present: Rule, course: Course, rows: Any, best: int) -> Found:
    total, correct = max(int(rows.sum()), 1), int(course.correct.sum())
    return {
        "settings": rule.settings(),
        "changes": _changes(rule, present),
        "accuracy": correct / total,
        "regret": (best - correct) / total,
        "deployments": course.deployments,
        "wrong": course.wrong,
        "missed": course.missed,
    }


def _changes(rule: Rule, present: Rule) -> Found:
    """The settings that are others than the present ones."""
    before = present.settings()
    return {name: value for name, value in rule.settings().items() if value != before[name]}


def _lead(leads: Leads | None, place: int) -> Found:
    if leads is None:
        return {"lead": None, "interval": None}
    low, high = float(leads.low[place]), float(leads.high[place])
    return {"lead": float(leads.lead[place]), "interval": [low, high]}


def _recommended(leads: Leads | None, distinct: Sequence[int]) -> int:
    """The rule whose lead is most surely more than chance; the present one, 0, if none is."""
    if leads is None or leads.low.max() <= 0:
        return 0
    return distinct[int(leads.low.argmax())]


def _retraining(rules: Sequence[Rule], courses: Sequence[Course], rows: Any) -> Found:
    never = next(k for k, rule in enumerate(rules) if rule.schedule == NEVER)
    gained = (courses[0].correct - courses[never].correct)[None].astype(float)
    return _lead(searched_leads(gained, rows), 0)
