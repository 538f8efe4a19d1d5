"""Pictures of a candidate for where a page cannot go, such as a chat message."""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ml.contract import REGIMES
from ml.words import verdict_of, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INCHES: Final = (8, 8)
_DOTS_PER_INCH: Final = 100
_TONES: Final = {
    "deployed": "#187a4a",
    "passed": "#187a4a",
    "kept": "#59616e",
    "waiting": "#59616e",
    "open": "#59616e",
}


def confusion_matrix_png(metrics: Mapping[str, Any]) -> bytes:
    """Draws the confusion matrix, 800 by 800 pixels, with the verdict above it.

    The same metrics give the same bytes with the same version of matplotlib.
    """
    # Half a second and 40 MB that only the tasks that draw should pay for.
    from matplotlib import style  # noqa: PLC0415
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    # A person's own matplotlibrc must not change the picture.
    with style.context("default"):
        figure = Figure(figsize=_INCHES, dpi=_DOTS_PER_INCH, facecolor="white")
        FigureCanvasAgg(figure)
        figure.subplots_adjust(left=0.25, right=0.86, top=0.7, bottom=0.03)
        _title(figure, metrics)
        _draw(figure.add_subplot(), metrics)
        picture = io.BytesIO()
        figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def _title(figure: Any, metrics: Mapping[str, Any]) -> None:
    verdict = verdict_of(metrics)
    production = metrics.get("production_accuracy")
    beside = "" if production is None else f", production {production:.1%} on the same rows"
    headline = f"{verdict.title}: accuracy {metrics['test_accuracy']:.1%}"
    figure.text(0.03, 0.94, headline, size=22, weight="bold", color=_TONES[verdict.state])
    rows = f"{metrics['holdout_samples']:,} newest labelled rows{beside}"
    figure.text(0.03, 0.9, rows, size=14, color="#59616e")


def _draw(axes: "Axes", metrics: Mapping[str, Any]) -> None:
    names = [_plain(row["regime"]) for row in metrics.get("regimes") or ()] or list(REGIMES)
    counts = np.array(metrics["confusion_matrix"])
    all_of = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, all_of, out=np.zeros(counts.shape), where=all_of > 0)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(names)), names, size=15, rotation=35, ha="left")
    axes.set_yticks(range(len(names)), names, size=15)
    axes.xaxis.tick_top()
    axes.set_xlabel("predicted", size=13, weight="bold", labelpad=8)
    axes.xaxis.set_label_position("top")
    axes.set_ylabel("true", size=13, weight="bold")
    axes.tick_params(length=0)
    # White lines between the cells.
    axes.set_xticks(np.arange(len(names) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(names) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=3)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
    for (row, column), count in np.ndenumerate(counts):
        _write(axes, row, column, int(count), float(shares[row, column]))


def _write(axes: "Axes", row: int, column: int, count: int, share: float) -> None:
    if not count:
        axes.text(column, row, "0", ha="center", va="center", size=13, color="#8a93a1")
        return
    ink = "white" if share > 0.65 else "#16191f"
    axes.text(column, row - 0.12, f"{count:,}", ha="center", va="center", size=20, color=ink)
    axes.text(column, row + 0.24, f"{share:.0%}", ha="center", va="center", size=14, color=ink)


def _plain(name: Any) -> str:
    # matplotlib reads $...$ as a formula.
    return visible(str(name)).replace("$", r"\$")
