"""The report of a candidate as one HTML file that asks the network for nothing.

It is made of `metrics.json` alone, like the text report: a section whose numbers are missing is
left out. How it looks is in `html_report.html.jinja` and `html_report.css`.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import ChainableUndefined, Environment, FileSystemLoader, Template
from markupsafe import Markup

from ml.charts import accuracy_chart, calibration_chart
from ml.contract import REGIMES
from ml.verdict import verdict_of
from ml.wording import baseline, number, percent, points, when

_FOLDER: Final = Path(__file__).parent
_LEFT_OUT: Final = ("profile",)
"""What is not for people: it is long, and made for the data gate of the next run."""


def html_report(metrics: Mapping[str, Any]) -> bytes:
    """Renders `metrics.json` as a page: verdict first, then what it rests on.

    Args:
        metrics: content of `metrics.json`. Names in it may be anything; they are escaped.
    """
    css = _css()
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    page = _template().render(
        m=metrics,
        css=css,
        css_hash=digest,
        verdict=verdict_of(metrics),
        names=_regime_names(metrics),
        chart=accuracy_chart(metrics, 1040, 320),
        small_chart=accuracy_chart(metrics, 440, 300),
        calibration=calibration_chart(metrics),
        features=_features(metrics),
        numbers=list(_leaves(metrics)),
    )
    return page.encode()


def breakable(name: Any) -> Markup:
    """A name, escaped, that may go on in a new line after each underscore.

    >>> str(breakable("ema_9<"))
    'ema_<wbr>9&lt;'
    """
    return Markup("_<wbr>").join(str(name).split("_"))


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "points": points,
        "when": when,
        "number": number,
        "baseline": baseline,
        "breakable": breakable,
        "length_of": lambda share: f"{100 * min(max(share, 0), 1):.2f}%" if share else "0",
    }
    return environment.get_template("html_report.html.jinja")


@cache
def _css() -> str:
    return (_FOLDER / "html_report.css").read_text(encoding="utf-8")


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
