"""What messages are made of: plain facts about a run, handed in by the caller."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Significance:
    """How far two models' difference on the same rows may be chance.

    Attributes:
        only_candidate_right: Rows that the candidate alone predicted correctly.
        only_production_right: Rows that production alone predicted correctly.
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
        samples: Labelled samples, named as `Training Samples`.
        completed: When the run was done; without a time zone it is read as UTC.
        reasons: Why the model was or was not deployed, one sentence each.
        comparison: None if no production model was scored.
        notes: What a reader must not miss, such as a production model that could not be scored.
        regimes: Labels by regime.
        trained: How many of the samples trained the model; None if that is not known.
        judged: How many of them it was judged on.
    """

    test_accuracy: float
    samples: int
    completed: datetime
    reasons: tuple[str, ...] = ()
    comparison: Comparison | None = None
    notes: tuple[str, ...] = ()
    regimes: tuple[RegimeCount, ...] = ()
    trained: int | None = None
    judged: int = 0


@dataclass(frozen=True)
class FailedRule:
    """A rule of the data gate that does not hold; `rows` are some to look at, one text each."""

    rule: str
    expected: str
    observed: str
    rows: tuple[str, ...] = ()


@dataclass(frozen=True)
class RejectedData:
    """Why the data gate said no.

    Attributes:
        samples: Labelled samples.
        needed: The fewest allowed.
        failed: Rules that do not hold.
        regimes: Labels by regime.
        task_id: The gate's task.
        remedies: What to do, one sentence each, in the order of the rules.
        missing: Further labels needed in all.
    """

    samples: int
    needed: int
    failed: tuple[FailedRule, ...] = ()
    regimes: tuple[RegimeCount, ...] = ()
    task_id: str = "check_data"
    remedies: tuple[str, ...] = ("Please label more data and retry.",)
    missing: int = 0


@dataclass(frozen=True)
class FailedTask:
    """A task that failed for another reason than its data.

    Attributes:
        task_id: Which one.
        error: Why.
        remedy: What to do about it, if known.
        work: What failed with it, `Training` or `Rollback`.
    """

    task_id: str
    error: str
    remedy: str | None = None
    work: str = "Training"


@dataclass(frozen=True)
class RollbackFacts:
    """What a rollback did.

    Attributes:
        run_id: Run that made the model which is in production now.
        sha256: Hex digest of it.
        accuracy: On its own holdout, 0 to 1; None if it is not known.
        completed: When the rollback was done; without a time zone it is read as UTC.
        changed: False if this model was in production already.
        replaced_run_id: Run of the model before it; None if there was none, or it is not known.
        replaced_accuracy: The same of that model.
        kept: Where that model is kept.
    """

    run_id: str
    sha256: str
    accuracy: float | None
    completed: datetime
    changed: bool = True
    replaced_run_id: str | None = None
    replaced_accuracy: float | None = None
    kept: str | None = None
