"""Goes on by the days that were looked at: judges each, follows the states, settles what is told.

A message is claimed with the day's row before it is sent, and confirmed after it. Stopped before
the claim, the next look does the same anew; stopped between the two, nobody knows whether it
arrived: it is not sent again on that day, and on the next day what still worries is told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, Final

from ml.watch.judging import judge_accuracy, judge_answers, judge_feeds, judge_inputs
from ml.watch.states import Finding, State, Turn, as_plain, follow, read_states
from ml.watch.truth import Block, measure_truth

Facts = dict[str, Any]


@dataclass(frozen=True)
class Watched:
    """The model that trades, as far as judging asks: its digest, metrics, and training profile."""

    sha256: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    profile: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a look came to.

    Attributes:
        facts: of each day that was judged, with what was found; the newest with the states.
        turn: what is to be told.
        states: of everything that worries, or has begun to.
        wants_training: whether a new model is wanted now, once a week at most.
    """

    facts: Mapping[date, Facts]
    turn: Turn
    states: Mapping[str, State]
    wants_training: bool = False

    @property
    def day(self) -> date:
        """The newest day."""
        return max(self.facts)


def counted_blocks(days: Mapping[date, Mapping[str, Any]], sha256: str) -> tuple[Block, ...]:
    """The labelled rows of a model that were counted before the newest day."""
    before = [days[day].get("truth") for day in sorted(days)[:-1]]
    found = [truth for truth in before if truth and truth["model"] == sha256]
    blocks = found[-1]["blocks"] if found else ()
    return tuple((day, rows, right) for day, rows, right in blocks)


def go_on(
    days: Mapping[date, Mapping[str, Any]],
    looked: Sequence[date],
    watched: Watched,
    blocks: Sequence[Block],
    others: Sequence[Finding] = (),
) -> Outcome:
    """Judges the days that were looked at, oldest first.

    Args:
        days: facts of all days, at least one.
        looked: those that are new; none if this look follows another on the same day.
        watched: the model that trades.
        blocks: its labelled rows so far.
        others: what was found besides rows, such as a weekly run that did not come.
    """
    newest = max(days)
    judged = sorted(looked) or [newest]
    states = known_states(days, judged[0])
    facts, turns = {}, []
    for day in judged:
        now = dict(days[day])
        earlier = {d: f for d, f in sorted(days.items()) if d < day}
        findings = _findings(day, now, earlier, watched)
        if day == newest:
            if blocks:
                truth = measure_truth(blocks, watched.metrics)
                now["truth"] = {**truth, "blocks": list(blocks), "model": watched.sha256}
            findings += [*judge_accuracy(now.get("truth")), *others]
        states, turn = follow(states, findings, day)
        turns.append(turn)
        now["worrying"] = {t: s.kind for t, s in states.items() if s.worrying}
        now["states"] = as_plain(states)
        facts[day] = now
    turn = _untold(_merged(turns, states), days[newest].get("turn"))
    claim = days[newest].get("turn") or {"worrying": [], "well": []}
    facts[newest]["turn"] = {
        "worrying": sorted({*claim["worrying"], *turn.worrying}),
        "well": sorted({*claim["well"], *turn.well}),
        "sent": not turn and claim.get("sent", True),
    }
    wanted = _wants_training(turn, days, newest)
    facts[newest]["wants_training"] = wanted or facts[newest].get("wants_training", False)
    return Outcome(facts, turn, states, wanted)


_COOLS_DOWN: Final = timedelta(days=7)
_CURABLE: Final = ("accuracy", "shift of ", "answers ", "confidence")
"""Beginnings of the things that a newly trained model may set right."""


def _wants_training(turn: Turn, days: Mapping[date, Mapping[str, Any]], day: date) -> bool:
    """Whether something has turned that a new model may cure, and none was wanted for a week."""
    asked = [d for d, facts in days.items() if facts.get("wants_training")]
    if asked and day - max(asked) < _COOLS_DOWN:
        return False
    return any(thing.startswith(_CURABLE) for thing in turn.worrying)


def confirmed(facts: Mapping[str, Any]) -> Facts:
    """The facts of a day whose message has been sent."""
    return {**facts, "turn": {**facts["turn"], "sent": True}}


def known_states(days: Mapping[date, Mapping[str, Any]], day: date) -> dict[str, State]:
    """The states before a day, as far as people know them."""
    before = [d for d in sorted(days) if d < day and "states" in days[d]]
    if not before:
        return {}
    last = days[before[-1]]
    states, turn = read_states(last["states"]), last.get("turn") or {}
    unsure = () if turn.get("sent", True) else turn["worrying"]
    return {t: replace(s, told=s.told and t not in unsure) for t, s in states.items()}


def _findings(
    day: date, facts: Facts, earlier: Mapping[date, Mapping[str, Any]], watched: Watched
) -> list[Finding]:
    found = [
        *judge_feeds(day, facts, earlier),
        *judge_inputs(facts, earlier, watched.profile),
        *judge_answers(facts, earlier, watched.metrics),
    ]
    if "no_answers" in facts:
        words = f"production does not answer: {facts['no_answers']}"
        found.append(Finding("production", "answers", words, "Go back to a former model"))
    return found


def _merged(turns: Sequence[Turn], states: Mapping[str, State]) -> Turn:
    """What is left to tell after several days: what worries still, and what is well for good."""
    worrying = {t: s for turn in turns for t, s in turn.worrying.items() if t in states}
    well = {t: s for turn in turns for t, s in turn.well.items() if t not in states}
    first = {t for turn in turns for t in turn.worrying}
    return Turn(worrying, {t: s for t, s in well.items() if t not in first})


def _untold(turn: Turn, claim: Mapping[str, Any] | None) -> Turn:
    claimed = claim or {"worrying": (), "well": ()}
    return Turn(
        {t: s for t, s in turn.worrying.items() if t not in claimed["worrying"]},
        {t: s for t, s in turn.well.items() if t not in claimed["well"]},
    )
