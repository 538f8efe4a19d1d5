"""What messages are made of: plain facts about a run, handed in by the caller."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Significance:
    """How far two models' difference on the same rows may be chance.

    Attributes:
        only_candidate_right: Rows that the candidate alone named rightly.
        only_production_right: Rows that production alone named rightly.
        p_value: McNemar's test, 0 to 1.
        interval: 95% interval of the difference in accuracy, -1 to 1; None if not known.
    """

    only_candidate_right: int
    only_production_right: int
    p_value: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Comparison:
    """Both models' accuracy (0 to 1) on the same holdout rows."""

    candidate: float
    production: float
    rows: int
    significance: Significance | None = None


@dataclass(frozen=True)
class RegimeCount:
    """Labelled samples of one regime, and how many more labels it needs."""

    regime: str
    samples: int
    missing: int = 0


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
        regimes: Labels by regime.
    """

    test_accuracy: float
    samples: int
    completed: datetime
    reasons: tuple[str, ...] = ()
    comparison: Comparison | None = None
    notes: tuple[str, ...] = ()
    regimes: tuple[RegimeCount, ...] = ()


@dataclass(frozen=True)
class FailedRule:
    """A rule of the data gate that does not hold; `rows` are some to look at, one text each."""

    rule: str
    expected: str
    observed: str
    rows: tuple[str, ...] = ()


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


@dataclass(frozen=True)
class Rollback:
    """An earlier model in the place of a later one.

    Attributes:
        restored: Run whose model is in production now.
        replaced: Run whose model was.
        completed: When it happened; without a time zone it is read as UTC.
        accuracy: Accuracy of the restored model when it was deployed, 0 to 1, if known.
        reason: Why, in the words of whoever did it.
    """

    restored: str
    replaced: str
    completed: datetime
    accuracy: float | None = None
    reason: str = ""
