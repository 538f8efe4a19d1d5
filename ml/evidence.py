"""What was counted on the holdout, for the promotion rule to judge.

Counts, not quotients: equal models are never told apart by the last digit, and there is no NaN.
"""

from dataclasses import dataclass

from ml.errors import ModelError


@dataclass(frozen=True)
class Evidence:
    """What was counted on the holdout.

    Attributes:
        holdout_samples: rows of the holdout.
        correct: rows the candidate named rightly.
        majority_correct: rows that naming the most frequent training regime gets right.
        compared_samples: rows both models were compared on; 0 if there was nothing to compare with.
        candidate_correct: rows among those that the candidate named rightly.
        production_correct: rows among those that production named rightly; None if not scored.
        production_problem: why the production file could not be scored; None if it could, or if
            there is none.
        notes: what a reader must know about the comparison.

    Raises:
        ModelError: if a count is not a whole number between 0 and its number of rows.
    """

    holdout_samples: int
    correct: int
    majority_correct: int
    compared_samples: int = 0
    candidate_correct: int = 0
    production_correct: int | None = None
    production_problem: str | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        on_holdout = (self.correct, self.majority_correct, self.compared_samples)
        compared = (self.candidate_correct, self.production_correct or 0)
        pairs = [(count, self.holdout_samples) for count in on_holdout]
        pairs += [(count, self.compared_samples) for count in compared]
        if not all(isinstance(count, int) and 0 <= count <= rows for count, rows in pairs):
            raise ModelError(f"The counts do not fit together: {self}", "report this as a defect")

    @property
    def accuracy(self) -> float | None:
        """The candidate's accuracy on the holdout, 0 to 1; None without a row."""
        return _share(self.correct, self.holdout_samples)

    @property
    def majority_accuracy(self) -> float | None:
        """Accuracy of always naming the most frequent training regime."""
        return _share(self.majority_correct, self.holdout_samples)

    @property
    def candidate_accuracy(self) -> float | None:
        """The candidate's accuracy on the rows compared."""
        return _share(self.candidate_correct, self.compared_samples)

    @property
    def production_accuracy(self) -> float | None:
        """Production's accuracy on the rows compared; None if it was not scored."""
        if self.production_correct is None:
            return None
        return _share(self.production_correct, self.compared_samples)


def _share(count: int, rows: int) -> float | None:
    return count / rows if rows else None
