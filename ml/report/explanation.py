"""The answer to one row for people: as text, and as a page of its own."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tabulate import tabulate

from ml.contract import REGIMES
from ml.report.pages import render
from ml.words import number, percent, points, when

_MOST_INPUTS: Final = 8


def explanation_text(told: Mapping[str, Any]) -> str:
    """Renders an explanation.

    Args:
        told: `symbol`, `timestamp`, `label` (None if unlabelled), `model` (what the first answer is
            of), its explanation, and `others`: the answers of other models by name.
    """
    return "\n".join(_lines(told))


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    answer = REGIMES.index(told["regime"])
    sure = told["probabilities"][answer]
    yield f"{told['symbol']} at {when(told['timestamp'])}, {_labelled(told['label'])}"
    yield f"{told['model']}: {told['regime']}, sure to {percent(sure)}"
    for name, other in told["others"].items():
        best = max(other["probabilities"])
        yield f"{name}: {other['regime']}, sure to {percent(best)}"
    yield ""
    yield f"How {told['model']} comes to {percent(sure)} for {told['regime']}, in points:"
    inputs = told["contributions"]
    rows = [("on average over labelled rows", "", percent(told["start"][answer]))]
    rows += [
        (one["name"], number(one["value"]), points(one["added"][answer]))
        for one in inputs[:_MOST_INPUTS]
    ]
    rest = sum(one["added"][answer] for one in inputs[_MOST_INPUTS:])
    rows += [(f"{len(inputs) - _MOST_INPUTS} others", "", points(rest))]
    yield tabulate(rows, ("input", "value", "adds"), "simple", disable_numparse=True)
    yield ""
    yield "Labelled rows most like it:"
    near = [
        (row["symbol"], when(row["timestamp"]), row["regime"], f"{row['distance']:.2f}")
        for row in told["nearest"]
    ]
    yield tabulate(near, ("symbol", "time", "label", "distance"), "simple", disable_numparse=True)


def explanation_page(told: Mapping[str, Any]) -> bytes:
    """Renders the same as a page that asks the network for nothing."""
    answer = REGIMES.index(told["regime"])
    largest = max(abs(one["added"][answer]) for one in told["contributions"]) or 1
    return render(
        "explanation.html.jinja",
        ("html_report.css",),
        told=told,
        answer=answer,
        labelled=_labelled(told["label"]),
        largest=largest,
        regimes=REGIMES,
    )


def _labelled(label: str | None) -> str:
    return f"labelled {label}" if label else "not labelled"
