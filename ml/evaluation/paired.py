"""What candidate and production predicted correctly, row by row: counts, and what follows."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.errors import ModelError
from ml.evaluation.slice_losses import SliceLosses
from ml.evaluation.statistics import mcnemar_p_value

Right = NDArray[np.bool_]


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
