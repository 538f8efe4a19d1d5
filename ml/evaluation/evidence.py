"""What was counted on the holdout, for the promotion rule to judge.

Counts, not quotients: equal models are never told apart by the last digit, and there is no NaN.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ml.data.samples import Coverage
from ml.errors import ModelError
from ml.evaluation.statistics import mcnemar_p_value


@dataclass(frozen=True)
class Pairs:
    """What two models predicted correctly, row by row.

    Attributes:
        rows: rows that both were asked for, at least 1.
        both_right: rows that both predicted correctly.
        only_candidate_right: rows that the candidate alone predicted correctly.
        only_production_right: rows that production alone predicted correctly.

    Raises:
        ModelError: if the counts are not whole numbers that fit together.
    """

    rows: int
    both_right: int
    only_candidate_right: int
    only_production_right: int

    def __post_init__(self) -> None:
        counts = (self.both_right, self.only_candidate_right, self.only_production_right)
        whole = all(isinstance(count, int) and count >= 0 for count in (*counts, self.rows))
        if not whole or self.rows < 1 or sum(counts) > self.rows:
            raise _unfitting(self)

    @property
    def candidate_correct(self) -> int:
        """Rows that the candidate predicted correctly."""
        return self.both_right + self.only_candidate_right

    @property
    def production_correct(self) -> int:
        """Rows that production predicted correctly."""
        return self.both_right + self.only_production_right

    @property
    def candidate_accuracy(self) -> float:
        """The candidate's accuracy on the rows compared, 0 to 1."""
        return self.candidate_correct / self.rows

    @property
    def production_accuracy(self) -> float:
        """Production's accuracy on the rows compared, 0 to 1."""
        return self.production_correct / self.rows

    @property
    def p_value(self) -> float:
        """Chance of such a difference between equally good models."""
        return mcnemar_p_value(self.only_candidate_right, self.only_production_right)


@dataclass(frozen=True)
class Evidence:
    """What was counted on the holdout.

    Attributes:
        holdout_samples: rows of the holdout.
        correct: rows the candidate predicted correctly.
        majority_correct: rows that naming the most frequent training regime gets right.
        pairs: candidate against production; None if production was not scored.
        production_problem: why the production file could not be scored; None if it could, or if
            there is none.
        notes: what a reader must know about the comparison.
        holdout_majority_correct: rows that naming the holdout's own most frequent regime gets
            right.
        coverage: what of the holdout is independent; None if it was not counted, as of simulated
            counts: then nothing is asked of it.
        interval: 95% interval of the accuracy on rows that follow (`prediction_interval`); None
            if the holdout is too short to tell.
        cv_interval: 95% interval of the accuracy in cross-validation in time.
        doubts: what only a person can judge about the place of production.

    Raises:
        ModelError: if a count is not a whole number between 0 and its number of rows.
    """

    holdout_samples: int
    correct: int
    majority_correct: int
    pairs: Pairs | None = None
    production_problem: str | None = None
    notes: tuple[str, ...] = ()
    holdout_majority_correct: int = 0
    coverage: Coverage | None = None
    interval: tuple[float, float] | None = None
    cv_interval: tuple[float, float] | None = None
    doubts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        compared = self.pairs.rows if self.pairs else 0
        counts = (self.correct, self.majority_correct, self.holdout_majority_correct, compared)
        if not all(isinstance(n, int) and 0 <= n <= self.holdout_samples for n in counts):
            raise _unfitting(self)

    @property
    def accuracy(self) -> float | None:
        """The candidate's accuracy on the holdout, 0 to 1; None without a row."""
        return _share(self.correct, self.holdout_samples)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> "Evidence":
        """The evidence that `dataclasses.asdict` was made from, also through JSON."""
        pairs, coverage = given["pairs"], given.get("coverage")
        lists = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
        nested = {
            "pairs": pairs and Pairs(**pairs),
            "coverage": coverage and Coverage(**coverage),
        }
        return cls(**{**given, **lists, **nested})

    @property
    def majority_accuracy(self) -> float | None:
        """Accuracy of always naming the most frequent training regime."""
        return _share(self.majority_correct, self.holdout_samples)


def _share(count: int, rows: int) -> float | None:
    return count / rows if rows else None


def _unfitting(counted: object) -> ModelError:
    return ModelError(f"The counts do not fit together: {counted}", "report this as a defect")
