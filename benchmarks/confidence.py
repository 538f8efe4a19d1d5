"""Whether the table of accuracy by confidence holds for the month that follows.

    python -m benchmarks.confidence [--markets 20]

Of each simulated market of a year, a person has labelled 2,500 rows of the first eleven months; a
forest is trained on the older ones, the table made on the newest fifth, and all rows of the next
month are predicted. Counted is how often the accuracy above a cut lies in the table's interval, and
how often it is at least the floor that the cut promises.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.habits import EMBARGO, OPTIONS, ROWS, market_of, spread
from benchmarks.measuring import aim, made_by, table_of
from benchmarks.results import put_section
from ml.data.split import split_by_time
from ml.evaluation.scores import accuracy_by_confidence
from ml.onnx_model import load_model, score
from ml.training.export import export_forest
from ml.training.forest import fit_forest

FLOORS: Final = (0.65, 0.75, 0.8, 0.85, 0.9)
LABELS: Final = 2_500
FOLLOWING: Final = np.timedelta64(30, "D")
_NOTES: Final = """Forests of 100 trees. A cut is the lowest confidence from which on the floor is
reached beyond chance; `kept` is the share of the next month's rows above it. The interval is that
of the accuracy of as many rows that follow; `floor kept` says in how many markets the next month's
accuracy above the cut was at least the floor. The last line takes the ten shares of each table,
whatever the floor."""


@dataclass(frozen=True)
class Trial:
    """A cut, and what followed.

    Attributes:
        floor: asked for; None of a line of the table.
        kept: share of the next month's rows above the cut.
        accuracy: of them.
        interval: what the table says.
    """

    floor: float | None
    kept: float
    accuracy: float
    interval: tuple[float, float]

    @property
    def holds(self) -> bool:
        """Whether it lies in the interval."""
        return self.interval[0] <= self.accuracy <= self.interval[1]


def trials_of(seed: int) -> list[Trial]:
    """Every floor, and every share, of one market."""
    market = market_of(seed, ROWS)
    end = int(np.searchsorted(market.timestamps, market.timestamps[-1] - FOLLOWING))
    past, following = market.rows(slice(0, end)), market.rows(slice(end, None))
    labelled = past.rows(np.sort(spread(past, LABELS, np.random.default_rng(seed))))
    split = split_by_time(labelled.timestamps, 0.2, EMBARGO)
    train, holdout = labelled.rows(split.training), labelled.rows(split.holdout)
    session = load_model(export_forest(fit_forest(train.features, train.labels, OPTIONS)))
    _, probabilities = score(session, holdout.features)
    y_next, next_probabilities = score(session, following.features)
    sure, right = next_probabilities.max(axis=1), y_next == following.labels
    found = []
    for floor in (None, *FLOORS):
        told = accuracy_by_confidence(
            holdout.labels, probabilities, holdout.timestamps, floor or 0.65
        )
        for row in told.rows:
            above = sure >= row.confidence
            if (floor is None or row.confidence == told.cut) and row.interval and above.any():
                followed = float(above.mean()), float(right[above].mean())
                found.append(Trial(floor, *followed, (row.interval[0], row.interval[1])))
    return found


def _cells(name: str, trials: list[Trial], markets: int) -> tuple[str, ...]:
    if not trials:
        return (name, f"0 of {markets}", "-", "-", "-", "-")
    kept = [trial.accuracy >= (trial.floor or 0) for trial in trials]
    return (
        name,
        f"{len(trials)} of {markets}",
        f"{np.mean([trial.kept for trial in trials]):.0%}",
        f"{np.mean([trial.accuracy for trial in trials]):.1%}",
        f"{np.mean([trial.holds for trial in trials]):.0%}",
        f"{np.mean(kept):.0%}" if trials[0].floor else "-",
    )


def main() -> None:
    """Runs the simulation and writes the section."""
    described = argparse.ArgumentParser(description=__doc__)
    described.add_argument("--markets", type=int, default=20)
    given = described.parse_args()
    with ProcessPoolExecutor() as workers:
        seeds = range(2_000, 2_000 + given.markets)
        trials = [trial for of in workers.map(trials_of, seeds) for trial in of]
    of_floor = {floor: [t for t in trials if t.floor == floor] for floor in FLOORS}
    lines = [_cells(f"{floor:.0%}", of, given.markets) for floor, of in of_floor.items()]
    every = [trial for trial in trials if trial.floor is None]
    lines.append(_cells("every share", every, 10 * given.markets))
    headers = ("floor", "cuts", "kept", "accuracy", "interval holds", "floor kept")
    table = table_of(headers, lines)
    print(table)
    cut = [trial.holds for of in of_floor.values() for trial in of]
    aims = aim(
        "the next month's accuracy above the cut in its interval", float(np.mean(cut)), least=0.85
    )
    made = made_by(f"python -m benchmarks.confidence --markets {given.markets}", "scikit-learn")
    put_section("Confidence", "\n\n".join([made, table, aims, _NOTES]))


if __name__ == "__main__":
    main()
