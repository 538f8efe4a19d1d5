"""What messages are made of: plain facts about a run, handed in by the caller."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Comparison:
    """Both models' accuracy (0 to 1) on the same holdout rows."""

    candidate: float
    production: float
    rows: int


@dataclass(frozen=True)
class TrainingFacts:
    """What a finished run says about its model.

    Attributes:
        test_accuracy: Accuracy on the holdout, 0 to 1.
        samples: Number named as `Training Samples`.
        completed: When the run was done; without a time zone it is read as UTC.
        reasons: Why the model was or was not deployed, one sentence each.
        comparison: None if no production model was scored.
        notes: What a reader must not miss, such as a production model that could not be scored.
    """

    test_accuracy: float
    samples: int
    completed: datetime
    reasons: tuple[str, ...] = ()
    comparison: Comparison | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FailedRule:
    """A rule of the data gate that does not hold."""

    rule: str
    expected: str
    observed: str


@dataclass(frozen=True)
class RegimeCount:
    """Labelled samples of one regime, and how many more labels it needs."""

    regime: str
    samples: int
    missing: int = 0


@dataclass(frozen=True)
class RejectedData:
    """Why the data gate said no. `needed` is the fewest samples allowed."""

    samples: int
    needed: int
    failed: tuple[FailedRule, ...] = ()
    regimes: tuple[RegimeCount, ...] = ()
    task_id: str = "check_data"


@dataclass(frozen=True)
class FailedTask:
    """A task that failed for another reason than its data, and what to do about it, if known."""

    task_id: str
    error: str
    remedy: str | None = None
