"""What candidate and production predicted correctly, row by row: in all, and by slices."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.contract import REGIMES
from ml.data.samples import Samples
from ml.errors import ModelError
from ml.evaluation.statistics import bootstrap_interval, mcnemar_p_value

Right = NDArray[np.bool_]

_MIN_ROWS: Final = 30
_CHANCE: Final = 0.05
_MOST_TOLD: Final = 10


@dataclass(frozen=True)
class SliceLoss:
    """A part of the holdout on which production is better.

    Attributes:
        name: `symbol X` or `regime X`.
        rows: rows that both predicted.
        loss: production's accuracy less the candidate's, above 0.
        interval: of the loss; it lies above 0.
    """

    name: str
    rows: int
    loss: float
    interval: tuple[float, float]

    def __str__(self) -> str:
        low, high = (f"{100 * end:.1f}" for end in self.interval)
        return (
            f"{self.name} loses {100 * self.loss:.1f} points to production beyond chance "
            f"({low} to {high} on its {self.rows} rows)"
        )


@dataclass(frozen=True)
class SliceLosses:
    """What was looked at, and where the candidate loses.

    Attributes:
        judged: slices with enough rows to tell.
        losing: those it loses on beyond chance, the largest loss first, at most ten.
    """

    judged: int
    losing: tuple[SliceLoss, ...]


def losing_slices(
    holdout: Samples,
    candidate: NDArray[np.bool_],
    production: NDArray[np.bool_],
    compared: NDArray[np.bool_],
) -> SliceLosses:
    """Compares both models on each regime and each symbol, pairing their rows.

    A slice loses beyond chance if the interval of its loss lies above zero. The intervals are
    those of all slices at once (Bonferroni): of k slices, each is one of 1 - 0.05 / k, so that
    equal models are told apart anywhere in at most 5% of the holdouts.

    Args:
        holdout: the rows scored.
        candidate: which of them the candidate predicted correctly `[n]`.
        production: which ones production did `[n]`.
        compared: rows on which both are judged `[n]`.
    """
    slices = {name: rows for name, rows in _slices(holdout, compared) if len(rows) >= _MIN_ROWS}
    found = []
    for name, rows in slices.items():
        losses = production[rows].astype(float) - candidate[rows]
        loss = float(losses.mean())
        if loss <= 0:
            continue
        level = 1 - _CHANCE / len(slices)
        interval = bootstrap_interval(losses, holdout.timestamps[rows], level=level)
        if interval and interval[0] > 0:
            found.append(SliceLoss(name, len(rows), loss, (interval[0], interval[1])))
    losing = sorted(found, key=lambda one: (-one.loss, one.name))
    return SliceLosses(len(slices), tuple(losing[:_MOST_TOLD]))


def _slices(
    holdout: Samples, compared: NDArray[np.bool_]
) -> Iterator[tuple[str, NDArray[np.intp]]]:
    if len(holdout.rows_by_symbol()) > 1:
        for symbol, rows in holdout.rows_by_symbol().items():
            yield f"symbol {symbol}", rows[compared[rows]]
    for k, regime in enumerate(REGIMES):
        yield f"regime {regime}", np.flatnonzero(compared & (holdout.labels == k))


@dataclass(frozen=True)
class Comparison:
    """What candidate and production predicted correctly, row by row.

    Attributes:
        rows: rows that both predicted, at least 1.
        both_correct: rows that both predicted correctly.
        only_candidate_correct: rows that the candidate alone predicted correctly.
        only_production_correct: rows that production alone predicted correctly.
        left_out_rows: rows of the holdout that production was trained on.
        difference_interval: 95% interval of the difference of both accuracies, -1 to 1; None if
            the rows are too few to tell.
        costs: mean cost of a row, candidate's and production's; None if no costs are set.
        slices: regimes and symbols on which production is better; None if they were not looked at.

    Raises:
        ModelError: if the counts are not whole numbers that fit together.
    """

    rows: int
    both_correct: int
    only_candidate_correct: int
    only_production_correct: int
    left_out_rows: int = 0
    difference_interval: tuple[float, float] | None = None
    costs: tuple[float, float] | None = None
    slices: SliceLosses | None = None

    @classmethod
    def of(cls, candidate: Right, production: Right, **further: Any) -> "Comparison":
        """Counts which of the same rows each model predicts correctly `[n]`."""
        return cls(
            rows=len(candidate),
            both_correct=int(np.count_nonzero(candidate & production)),
            only_candidate_correct=int(np.count_nonzero(candidate & ~production)),
            only_production_correct=int(np.count_nonzero(production & ~candidate)),
            **further,
        )

    def __post_init__(self) -> None:
        counts = (self.both_correct, self.only_candidate_correct, self.only_production_correct)
        whole = all(isinstance(count, int) and count >= 0 for count in (*counts, self.rows))
        if not whole or self.rows < 1 or sum(counts) > self.rows:
            raise unfitting(self)

    @property
    def candidate_correct(self) -> int:
        """Rows that the candidate predicted correctly."""
        return self.both_correct + self.only_candidate_correct

    @property
    def production_correct(self) -> int:
        """Rows that production predicted correctly."""
        return self.both_correct + self.only_production_correct

    @property
    def p_value(self) -> float:
        """Chance of such a difference between equally good models."""
        return mcnemar_p_value(self.only_candidate_correct, self.only_production_correct)

    def to_dict(self) -> dict[str, Any]:
        """The counts and what follows from them, JSON-safe."""
        candidate, production = self.candidate_correct, self.production_correct
        return {
            **asdict(self),
            "candidate_correct": candidate,
            "production_correct": production,
            "candidate_accuracy": candidate / self.rows,
            "production_accuracy": production / self.rows,
            "difference": (candidate - production) / self.rows,
            "p_value": self.p_value,
        }


def unfitting(counted: object) -> ModelError:
    """The error of counts that are no counts of the same rows."""
    return ModelError(f"The counts do not fit together: {counted}", "report this as a defect")
