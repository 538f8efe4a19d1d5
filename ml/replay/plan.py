"""What is replayed: which Sundays, with which settings, and how a person is taken to answer."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from clickhouse.snapshot import Snapshot
from ml.data.samples import utc
from ml.errors import ModelError
from ml.evaluation.promotion import PromotionThresholds
from ml.training.forest import ORDER_OF_WORK, TrainingOptions
from ml.training.metrics import settings_of

YES: Final = "yes"
NO: Final = "no"
BOTH: Final = "both"
WEEK: Final = timedelta(days=7)
_FIRST_SUNDAY: Final = np.datetime64("1970-01-04T02:00:00", "s")
"""The weekly run starts on Sundays at 02:00 UTC."""

Gate = Callable[[Engine, Snapshot, datetime], tuple[str, ...]]
"""Judges the rows of a Sunday; gives the rules that stop it."""


@dataclass(frozen=True)
class Plan:
    """How to replay.

    Attributes:
        weeks: how many Sundays, the newest ones.
        label_delay: how old a row must be to have its label.
        answer: what a person says where the rule asks one: `yes`, `no`, or `both` in turn.
        options: how forests are grown.
        holdout_fraction: newest share kept for the verdict.
        embargo: gap between training and holdout.
        thresholds: of the promotion rule.

    Raises:
        ModelError: if weeks, delay or answer is none.
    """

    weeks: int = 52
    label_delay: timedelta = timedelta(0)
    answer: str = YES
    options: TrainingOptions = field(default_factory=TrainingOptions)
    holdout_fraction: float = 0.2
    embargo: timedelta = timedelta(hours=24)
    thresholds: PromotionThresholds = field(default_factory=PromotionThresholds)

    def __post_init__(self) -> None:
        if self.weeks < 1 or self.label_delay < timedelta(0) or self.answer not in {YES, NO, BOTH}:
            raise ModelError(
                f"{self.weeks} weeks, a label delay of {self.label_delay} and the answer "
                f"{self.answer!r} cannot be replayed",
                f"choose 1 week or more, a delay of 0 hours or more, and {YES}, {NO} or {BOTH}",
            )

    @property
    def answers(self) -> tuple[str, ...]:
        """The answers that are replayed."""
        return (YES, NO) if self.answer == BOTH else (self.answer,)

    def to_dict(self) -> Mapping[str, Any]:
        """What decides how a replay comes out, JSON-safe."""
        cut, floor = (self.holdout_fraction, self.embargo), self.thresholds.min_accuracy
        settings = settings_of(self.options, *cut, floor)
        return {
            "weeks": self.weeks,
            "label_delay_hours": self.label_delay / timedelta(hours=1),
            "answer": self.answer,
            **{name: value for name, value in settings.items() if name not in ORDER_OF_WORK},
            **asdict(self.thresholds),
        }

    def known_before(self, sunday: datetime) -> datetime:
        """The moment before which a row must have happened to be labelled on that Sunday."""
        # Rows happen at whole seconds.
        return sunday - timedelta(seconds=math.ceil(self.label_delay.total_seconds()))


def sundays(timestamps: NDArray[np.datetime64], plan: Plan) -> tuple[datetime, ...]:
    """The newest Sundays that have a labelled row before and after them, oldest first.

    Args:
        timestamps: of labelled rows, rising, at least one.
        plan: how many, and how old a row must be.

    >>> days = np.array(["2026-11-01T00", "2026-11-15T05"], "datetime64[s]")
    >>> [f"{sunday:%d %b %H:%M}" for sunday in sundays(days, Plan(weeks=5))]
    ['01 Nov 02:00', '08 Nov 02:00', '15 Nov 02:00']
    """
    first, newest = utc(timestamps[0]), utc(timestamps[-1])
    last = newest - (newest - utc(_FIRST_SUNDAY)) % WEEK
    found = [last - week * WEEK for week in reversed(range(plan.weeks))]
    return tuple(sunday for sunday in found if plan.known_before(sunday) > first)
