"""What is well and what worries, from day to day: when a thing turns, and when that is told.

A thing begins to worry when it has been found so on as many days running as its kind asks for, and
is well again after three days without, or more where what happened lasts. People hear of a turn
once. What follows from something that worries already, such as odd answers to odd inputs, is on the
page and not told again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Final

KINDS: Final = ("run", "feed", "input", "answers", "accuracy")
"""In the order in which one follows from another, but for the first."""
_FOLLOWS: Final = {
    "run": (),
    "feed": (),
    "input": ("input", "feed"),
    "answers": ("answers", "input", "feed"),
    "accuracy": ("accuracy", "input", "feed"),
}
"""Kinds from which one may follow."""
_SAME_CAUSE: Final = 1
"""Days within which a second thing of a kind has the cause of the first."""


@dataclass(frozen=True)
class Finding:
    """Something that worries on a day.

    Attributes:
        thing: its name, the same from day to day, such as `input adx`.
        kind: one of `KINDS`.
        words: what was seen, one sentence without its stop.
        remedy: what to do.
        days: on how many days running it must be found before it counts.
        well_after: days without after which it is well; more where what happened at one moment
            lasts, such as columns that changed places.
    """

    thing: str
    kind: str
    words: str
    remedy: str
    days: int = 1
    well_after: int = 3


@dataclass(frozen=True)
class State:
    """A thing that worries, or has begun to look so.

    Attributes:
        kind, words, remedy: those of the newest finding.
        since: the day it was first found.
        found: on how many days running it was found.
        missed: on how many days running it was not.
        worrying: whether it counts.
        told: whether people have heard of it.
        well_after: see `Finding`.
    """

    kind: str
    words: str
    remedy: str
    since: str
    found: int = 1
    missed: int = 0
    worrying: bool = False
    told: bool = False
    well_after: int = 3


@dataclass(frozen=True)
class Turn:
    """What has changed from one day to the next, and is to be told.

    Attributes:
        worrying: things that began to worry, with their states.
        well: things that are well again.
    """

    worrying: Mapping[str, State] = field(default_factory=dict)
    well: Mapping[str, State] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.worrying or self.well)


def follow(
    states: Mapping[str, State], findings: Sequence[Finding], day: date
) -> tuple[dict[str, State], Turn]:
    """Goes on by a day.

    Args:
        states: after the day before, as far as people know them.
        findings: of this day.
        day: this day.

    Returns:
        The states after it, as they are once the turn is told, and what is to be told.
    """
    found = {finding.thing: finding for finding in findings}
    now = {thing: _found(states.get(thing), finding, day) for thing, finding in found.items()}
    for thing, state in states.items():
        if thing not in found:
            now[thing] = _missed(state)
    well = {t: s for t, s in now.items() if s.missed >= s.well_after or not _counts(s)}
    now = {thing: state for thing, state in now.items() if thing not in well}
    new = {t: s for t, s in now.items() if s.worrying and not s.told}
    roots = {t: s for t, s in new.items() if not _is_known(t, now)}
    kinds = {state.kind for state in roots.values()}
    to_tell = {t: s for t, s in roots.items() if not kinds & {*_FOLLOWS[s.kind]} - {s.kind}}
    now |= {thing: _replace(state, told=True) for thing, state in to_tell.items()}
    return now, Turn(to_tell, {thing: state for thing, state in well.items() if state.told})


def read_states(told: Mapping[str, Any]) -> dict[str, State]:
    """States as `as_plain` wrote them."""
    return {str(thing): State(**state) for thing, state in told.items()}


def as_plain(states: Mapping[str, State]) -> dict[str, dict[str, Any]]:
    """States as plain values."""
    return {thing: asdict(state) for thing, state in states.items()}


def _found(state: State | None, finding: Finding, day: date) -> State:
    if state is None:
        state = State(finding.kind, "", "", day.isoformat(), found=0)
    times = state.found + 1 if state.missed == 0 or state.worrying else 1
    return _replace(
        state,
        words=finding.words,
        remedy=finding.remedy,
        found=times,
        missed=0,
        well_after=finding.well_after,
        worrying=state.worrying or times >= finding.days,
    )


def _missed(state: State) -> State:
    return _replace(state, missed=state.missed + 1)


def _counts(state: State) -> bool:
    """Whether it worries, or may begin to; what was found and then not has to begin anew."""
    return state.worrying or state.missed == 0


def _is_known(thing: str, states: Mapping[str, State]) -> bool:
    """Whether it follows from something of which people have heard.

    Of the same kind: from what was found a day before at most, or names a same column.
    """
    state = states[thing]
    begun = date.fromisoformat(state.since)
    return any(
        other.kind != state.kind
        or (begun - date.fromisoformat(other.since)).days <= _SAME_CAUSE
        or bool(_named(name) & _named(thing))
        for name, other in states.items()
        if other.told and other.kind in _FOLLOWS[state.kind]
    )


def _named(thing: str) -> set[str]:
    return {word for word in thing.split()[1:] if word not in {"and", "of", "/"}}


def _replace(state: State, **changes: Any) -> State:
    return State(**{**asdict(state), **changes})
