"""Seconds of gate, reading and training against rows, as a plot with the exponents of growth.

    python -m benchmarks.growth [--least 1000] [--most 10000000]

The exponent is the slope of the last two points of a curve: 1 is a cost that doubles with the rows.
"""

import argparse
import json
import math
import tempfile
from pathlib import Path
from typing import Any, Final

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from benchmarks.gate_peers import judge_ours
from benchmarks.measuring import by_turns, growth_in_mb, in_child, made_by, table_of
from benchmarks.reading import read_ours
from benchmarks.results import put_section
from benchmarks.tables import freeze_random, running_server, url_of
from benchmarks.training import whole_task
from clickhouse.engine import opened
from clickhouse.snapshot import Snapshot
from ml.training.forest import TrainingOptions

PLOT: Final = Path(__file__).with_name("growth.svg")
_TREES: Final = 20
_ROUNDS: Final = 5
_BOUND: Final = TrainingOptions().max_train_rows
_STEPS: Final = ("gate", "reading", "training")
_NOTES: Final = f"""![Seconds against rows](growth.svg)

Native protocol, server on the same machine, {_TREES} trees, random rows: a forest on noise grows as
deep as it may. Seconds are medians of {_ROUNDS} alternating rounds; memory is the growth of the
peak of a process that runs once. Training reads at most {_BOUND:,} rows before the holdout, and all
of the holdout. The exponent is of the last two numbers of rows."""


def measure(rows: int) -> dict[str, float]:
    """Seconds of each step on a table of its own, in a process of its own."""
    with running_server() as server:
        with opened(server.url("native")) as engine:
            snapshot = freeze_random(engine, rows)
        task = {"url": url_of(server, "native"), "snapshot": snapshot.to_dict()}
        found: dict[str, float] = in_child("benchmarks.growth", **task)
        memory = {
            f"{step} MB": in_child("benchmarks.growth", only=step, **task)
            for step in ("gate", "training")
        }
    return {"rows": snapshot.rows, **found, **memory}


def _do(task: dict[str, Any]) -> Any:
    snapshot, options = Snapshot(**task["snapshot"]), TrainingOptions(trees=_TREES)
    with opened(task["url"]) as engine, tempfile.TemporaryDirectory() as out:
        folder = Path(out)
        ways = {
            "gate": lambda: judge_ours(engine, snapshot, folder / "docs"),
            "reading": lambda: read_ours(engine, snapshot),
            "training": lambda: whole_task(engine, snapshot, options, folder),
        }
        if "only" in task:
            return growth_in_mb(ways[task["only"]])
        return by_turns(ways, _ROUNDS, warm=snapshot.rows < 1_000_000)


def exponents(points: list[dict[str, float]]) -> dict[str, float]:
    """The slope of each step between the last two points.

    >>> points = [{"rows": n, **dict.fromkeys(_STEPS, n**0.5)} for n in (10, 1000)]
    >>> round(exponents(points)["gate"], 2)
    0.5
    """
    before, last = points[-2:]
    distance = math.log(last["rows"] / before["rows"])
    return {step: math.log(last[step] / before[step]) / distance for step in _STEPS}


def draw(points: list[dict[str, float]], file: Path = PLOT) -> None:
    """Writes the plot."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot(xscale="log", yscale="log", xlabel="rows", ylabel="seconds")
    rows, slopes = [point["rows"] for point in points], exponents(points)
    for step in _STEPS:
        label = f"{step}: rows^{slopes[step]:.2f}"
        axes.plot(rows, [point[step] for point in points], marker="o", label=label)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(file, format="svg", metadata={"Date": None})


def main() -> None:
    """Measures, prints the table, and keeps it and the plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--least", type=int, default=1_000)
    parser.add_argument("--most", type=int, default=10_000_000)
    parser.add_argument("--task", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        print(json.dumps(_do(given.task)))
        return
    points: list[dict[str, float]] = []
    rows = given.least
    while rows <= given.most:
        points.append(measure(rows))
        rows *= 10
    draw(points)
    held = ("gate MB", "training MB")
    cells = [
        (
            f"{point['rows']:,.0f}",
            *(f"{point[step]:.2f}" for step in _STEPS),
            *(f"{point[step]:,.0f}" for step in held),
        )
        for point in points
    ]
    cells.append(("exponent", *(f"{slope:.2f}" for slope in exponents(points).values()), "", ""))
    table = table_of(("rows", *(f"{step} s" for step in _STEPS), *held), cells)
    print(table)
    made = made_by(f"python -m benchmarks.growth --most {given.most}", "scikit-learn")
    put_section("Growth", "\n\n".join([made, table, _NOTES]))


if __name__ == "__main__":
    main()
