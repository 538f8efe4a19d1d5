"""A replay in words and as a page that asks the network for nothing; made of its JSON alone."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ml.json_files import read_object
from ml.registry.store import Folder
from ml.replay.plan import WEEK
from ml.report.charts import Chart, accuracy_chart
from ml.report.pages import render
from ml.words import moment, percent, points

RESULT: Final = "replay.json"
PAGE: Final = "replay.html"
_SHEETS: Final = ("html_report.css", "models_page.css")
_AGES: Final = (1, 2, 4, 8, 13, 26, 39)
_FEW: Final = 8


def sentences(found: Mapping[str, Any]) -> Iterator[str]:
    """What a replay says, the recommended setting first.

    Args:
        found: content of `replay.json`.
    """
    if "rules" not in found:
        yield "No Sunday had enough labels to train on: label more, or replay later"
        return
    yield from (_of_rules(found), _of_retraining(found["retraining"]), *_of_age(found["age"]))
    told = found["promises"]
    if told["told"]:
        yield (
            f"Of {told['told']} promised intervals, {told['held']} held the accuracy of as many "
            "rows that followed (they claim 95%)"
        )
    gate = found["data_gate"]
    if found["replayed"]["gate"]:
        rules = "; ".join(f"{rule} ({count})" for rule, count in gate["rules"].items())
        yield (
            f"The data gate would have stopped {gate['stopped']} of {len(found['sundays'])} "
            f"Sundays{': ' if rules else ''}{rules}"
        )


def in_words(changes: Mapping[str, Any]) -> str:
    """The settings of a rule that are others than the present ones.

    >>> in_words({"MAX_P_VALUE": None, "schedule": "monthly"}), in_words({})
    ('MAX_P_VALUE none, monthly', 'as it is set')
    """
    names = {"schedule": "", "in doubt": "a person says "}
    parts = (
        f"{names.get(name, f'{name} ')}{'none' if value is None else value}"
        for name, value in changes.items()
    )
    return ", ".join(parts) or "as it is set"


def replay_page(found: Mapping[str, Any]) -> bytes:
    """Renders the page.

    Args:
        found: content of `replay.json`.
    """
    rules = found.get("rules", ())
    chosen = found.get("recommended", 0)
    shown = [k for k, rule in enumerate(rules) if len(rule["changes"]) < 2 or k == chosen]
    return render(
        "replay_page.html.jinja",
        _SHEETS,
        f=found,
        says=list(sentences(found)),
        rules=[rules[k] for k in shown],
        recommended=rules[chosen] if rules else None,
        in_words=in_words,
        ages=[row for row in found["age"] if row["weeks_since_training"] in _AGES],
        charts={answer: _charts(found, lines) for answer, lines in found["timelines"].items()},
    )


def replays_page(folder: Path) -> bytes:
    """Renders the list of the replays in a folder, newest first; links lead to their pages.

    Raises:
        OSError: if the folder cannot be read.
    """
    place = Folder(folder)
    found = [
        (name, read_object(place.read(f"{name}/{RESULT}"))) for name in reversed(place.folders("."))
    ]
    return render("replays_page.html.jinja", _SHEETS, replays=found, page=PAGE)


def _charts(
    found: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]
) -> tuple[Chart | None, Chart | None]:
    """Candidate and production on the weeks that follow, wide and narrow."""
    periods = [
        {
            "start": sunday["sunday"],
            "end": (then + WEEK).isoformat(),
            "samples": line["following_rows"],
            "accuracy": line["following"]["candidate"],
            "production_accuracy": line["following"]["production"],
        }
        for sunday, line in zip(found["sundays"], lines, strict=True)
        if (then := moment(sunday["sunday"])) and line["following"]["candidate"] is not None
    ]
    floor = {"thresholds": {"min_accuracy": found["replayed"]["min_accuracy"]}}
    told = {"accuracy_over_time": periods, "decision": floor}
    return accuracy_chart(told, 1040, 320), accuracy_chart(told, 440, 300)


def _of_rules(found: Mapping[str, Any]) -> str:
    rules, chosen = found["rules"], found["recommended"]
    searched = f"{len(rules)} rules were tried, which led to {found['different_ways']} ways"
    if rules[0]["interval"] is None:
        return f"There are too few weeks to compare rules by: {_FEW} with labels are needed"
    if chosen == 0:
        return f"No setting is better than the present one by more than chance ({searched})"
    best = rules[chosen]
    return (
        f"Recommended: {in_words(best['changes'])}, which gains {_points(best)} over the present "
        f"setting on the weeks that follow, after the search is allowed for ({searched})"
    )


def _of_retraining(retraining: Mapping[str, Any]) -> str:
    if retraining["interval"] is None:
        return "There are too few weeks to say what training again brings"
    low, high = retraining["interval"]
    what = "Training again, as it is set,"
    if low <= 0 <= high:
        told = f"bought nothing that can be told from chance: {_points(retraining)}"
        return f"{what} {told} over the first model"
    return f"{what} {'gained' if low > 0 else 'cost'} {_points(retraining)} over the first model"


def _of_age(ages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Of the oldest models of which enough weeks tell."""
    told = [row for row in ages if row["interval"] and row["weeks_since_training"] in _AGES]
    if told:
        oldest = told[-1]
        yield (
            f"Models of {oldest['weeks_since_training']} weeks before are right on "
            f"{percent(oldest['accuracy'])}, the newest of the same weeks on "
            f"{percent(oldest['newest_accuracy'])}: {_points(oldest)}"
        )


def _points(found: Mapping[str, Any]) -> str:
    low, high = found["interval"]
    return f"{points(found['lead'])} points (95%: {points(low)} to {points(high)})"
