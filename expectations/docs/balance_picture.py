"""A picture of a run's labels by regime, for where a page cannot go, such as a chat message."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from expectations.run_record import ClassCount

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INCHES: Final = (10, 6)
_DOTS_PER_INCH: Final = 100
_QUIET: Final = "#59616e"
_LONGEST: Final = 13
_GOOD: Final = "#2b6cb0"
_BAD: Final = "#ba2e2c"


def class_balance_png(classes: Sequence[ClassCount], verdict: str, missing: int = 0) -> bytes:
    """Draws how many labels each regime has and how many are missing, 1000 by 600 pixels.

    The same counts give the same bytes with the same version of matplotlib.
    """
    # Half a second and 40 MB that only a task that draws should pay for.
    from matplotlib import style  # noqa: PLC0415
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    # A person's own matplotlibrc must not change the picture.
    with style.context("default"):
        figure = Figure(figsize=_INCHES, dpi=_DOTS_PER_INCH, facecolor="white")
        FigureCanvasAgg(figure)
        figure.subplots_adjust(left=0.17, right=0.95, top=0.82, bottom=0.04)
        _title(figure, classes, verdict, missing)
        _draw(figure.add_subplot(), classes)
        picture = io.BytesIO()
        figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def _title(figure: Any, classes: Sequence[ClassCount], verdict: str, missing: int) -> None:
    samples = sum(c.samples for c in classes)
    lacking = f", {missing:,} more needed" if missing else ""
    figure.text(0.03, 0.92, _plain(verdict), size=23, weight="bold", color=_BAD)
    line = f"{samples:,} labelled samples by regime{lacking}"
    figure.text(0.03, 0.865, line, size=14, color=_QUIET)


def _draw(axes: "Axes", classes: Sequence[ClassCount]) -> None:
    places = range(len(classes))
    axes.barh(
        places, [c.samples for c in classes], color=[_BAD if c.problem else _GOOD for c in classes]
    )
    lacking = [(place, c) for place, c in enumerate(classes) if c.missing]
    axes.barh(
        [place for place, _ in lacking],
        [c.missing for _, c in lacking],
        left=[c.samples for _, c in lacking],
        facecolor="none",
        edgecolor=_BAD,
        hatch="///",
    )
    names = [c.regime if len(c.regime) <= _LONGEST else f"{c.regime[:_LONGEST]}…" for c in classes]
    axes.set_yticks(places, list(map(_plain, names)), size=13)
    axes.invert_yaxis()
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    longest = max((c.samples + c.missing for c in classes), default=0) or 1
    # Room for the words behind the longest bar.
    axes.set_xlim(0, longest * 1.45)
    for place, count in zip(places, classes, strict=True):
        words = ": ".join(filter(None, (f"{count.samples:,}", _plain(count.problem))))
        end = count.samples + count.missing + longest * 0.01
        axes.text(end, place, words, va="center", size=12, color=_BAD if count.problem else _QUIET)


def _plain(text: str) -> str:
    # matplotlib reads $...$ as a formula.
    return text.replace("$", r"\$")
