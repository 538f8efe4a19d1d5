"""The report of a candidate as a page that asks the network for nothing, and all its files.

It is made of `metrics.json` alone, like the text report: a section whose numbers are missing is
left out. How it looks is in `html_report.html.jinja` and `html_report.css`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import ChainableUndefined, Environment
from markupsafe import Markup

from ml.contract import REGIMES
from ml.errors import decoration
from ml.registry.names import CONFUSION_FILE, REPORT_FILE, REPORT_PAGE_FILE
from ml.report.charts import accuracy_chart, calibration_chart, confidence_chart, curve_chart
from ml.report.plots import confusion_matrix_png
from ml.report.text import text_report
from ml.words import (
    baseline,
    day,
    number,
    percent,
    points,
    sentence,
    span,
    verdict_of,
    visible,
    when,
)
from theme.pages import page_templates

_FOLDER: Final = Path(__file__).parent


def render(template: str, sheets: Sequence[str], **variables: Any) -> bytes:
    """Renders a page; what is given is escaped.

    Args:
        template: file beside this one.
        sheets: files beside it that follow on the theme's style sheet.
        **variables: what the template shows.
    """
    css = "".join(_sheet(name) for name in sheets)
    return _environment().get_template(template).render(variables, css=css).encode()


def breakable(name: Any) -> Markup:
    """A name, escaped, that may go on in a new line after each underscore.

    >>> str(breakable("ema_9<"))
    'ema_<wbr>9&lt;'
    """
    return Markup("_<wbr>").join(visible(str(name)).split("_"))


@cache
def _sheet(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = page_templates(
        _FOLDER,
        undefined=ChainableUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "points": points,
        "when": when,
        "day": day,
        "number": number,
        "span": span,
        "baseline": baseline,
        "breakable": breakable,
        "sentence": sentence,
        "length_of": lambda share: f"{100 * min(max(share, 0), 1):.2f}%" if share else "0",
    }
    return environment


_LEFT_OUT: Final = ("profile", "strips")
"""What is not for people: it is long, and made for the data gate of the next run."""


def html_report(metrics: Mapping[str, Any]) -> bytes:
    """Renders `metrics.json` as a page, all in it escaped: verdict first, then what it rests on."""
    return render(
        "html_report.html.jinja",
        ("html_report.css",),
        m=metrics,
        verdict=verdict_of(metrics),
        names=_regime_names(metrics),
        chart=accuracy_chart(metrics, 1040, 320),
        small_chart=accuracy_chart(metrics, 440, 300),
        calibration=calibration_chart(metrics),
        believed=confidence_chart(metrics, 1040, 320),
        small_believed=confidence_chart(metrics, 440, 300),
        curve=curve_chart(metrics, 1040, 300),
        small_curve=curve_chart(metrics, 440, 300),
        features=_features(metrics),
        numbers=list(_leaves(metrics)),
    )


def _regime_names(metrics: Mapping[str, Any]) -> tuple[str, ...]:
    rows = metrics.get("regimes") or ()
    return tuple(str(row["regime"]) for row in rows) or REGIMES


def _features(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Both importances of each feature, most important on the holdout first."""
    impurity = metrics.get("feature_importances") or {}
    permutation = metrics.get("permutation_importances") or {}
    names = sorted(
        {**impurity, **permutation},
        key=lambda name: (-permutation.get(name, 0), -impurity.get(name, 0), name),
    )
    return [
        {"name": name, "impurity": impurity.get(name), "permutation": permutation.get(name)}
        for name in names
    ]


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every number and word of `metrics.json` with its path, such as `settings.trees`."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if path or name not in _LEFT_OUT:
                yield from _leaves(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple) and any(isinstance(x, Mapping | list) for x in value):
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{index}]")
    elif isinstance(value, list | tuple):
        yield path, ", ".join(map(number, value)) or "none"
    else:
        yield path, value


_PAGES: Final[Mapping[str, Callable[[Mapping[str, Any]], bytes]]] = {
    REPORT_FILE: lambda metrics: text_report(metrics).encode(errors="replace"),
    REPORT_PAGE_FILE: html_report,
}


def report_pages(metrics: Mapping[str, Any]) -> dict[str, bytes]:
    """The report as text and as a page; what cannot be made of these metrics is left out."""
    return _made(_PAGES, metrics)


def report_files(metrics: Mapping[str, Any]) -> dict[str, bytes]:
    """The report and the picture of the confusion matrix; likewise."""
    return _made({**_PAGES, CONFUSION_FILE: confusion_matrix_png}, metrics)


def _made(
    files: Mapping[str, Callable[[Mapping[str, Any]], bytes]], metrics: Mapping[str, Any]
) -> dict[str, bytes]:
    made = {}
    for name, make in files.items():
        with decoration(name):
            made[name] = make(metrics)
    return made
