"""The report of a candidate as one HTML file that asks the network for nothing.

It is made of `metrics.json` alone, like the text report: a section whose numbers are missing is
left out. How it looks is in `html_report.html.jinja` and `html_report.css`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ml.charts import accuracy_chart, calibration_chart
from ml.contract import REGIMES
from ml.html_page import render
from ml.verdict import verdict_of
from ml.wording import number

_LEFT_OUT: Final = ("profile",)
"""What is not for people: it is long, and made for the data gate of the next run."""


def html_report(metrics: Mapping[str, Any]) -> bytes:
    """Renders `metrics.json` as a page: verdict first, then what it rests on.

    Args:
        metrics: content of `metrics.json`. Names in it may be anything; they are escaped.
    """
    return render(
        "html_report.html.jinja",
        ("html_report.css",),
        m=metrics,
        verdict=verdict_of(metrics),
        names=_regime_names(metrics),
        chart=accuracy_chart(metrics, 1040, 320),
        small_chart=accuracy_chart(metrics, 440, 300),
        calibration=calibration_chart(metrics),
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
