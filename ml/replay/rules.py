"""Replays any promotion rule on what the Sundays' candidates predicted; nothing is trained for it.

Which model is live under a rule is decided by `ml.evaluation.promotion` itself, from counts on the
holdout of each Sunday; MAX_SLICE_LOSS and DECISION_COSTS, which ask for more than counts, are left
out. Rows that follow a Sunday measure what came of it and decide nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.evaluation.comparison import unseen_rows
from ml.evaluation.paired import Comparison
from ml.evaluation.promotion import ASK, Decision, Evidence, PromotionThresholds, decide
from ml.replay.plan import NO, YES

WEEKS_AFTER: Final = 4
"""A deployment is right or wrong by as many weeks that follow: one alone is mostly chance."""
SCHEDULES: Final[Mapping[str, int]] = {"weekly": 1, "fortnightly": 2, "monthly": 4}
NEVER: Final = "never"
ALWAYS: Final = "always deploy"
_IMPROVEMENTS: Final = (0.0, 0.01, 0.02, 0.05)
_P_VALUES: Final = (None, 0.3, 0.05)
_FLOORS: Final = (0.5, 0.65, 0.75)
_EVIDENCE: Final = ((5, 20), (10, 40))


@dataclass(frozen=True)
class Rule:
    """A way to decide which model is live.

    Attributes:
        thresholds: of the promotion rule.
        answer: what a person says where the rule asks.
        schedule: one of `SCHEDULES`, `never`, or `always deploy`.
    """

    thresholds: PromotionThresholds
    answer: str = YES
    schedule: str = "weekly"

    def settings(self) -> dict[str, Any]:
        """By the names people know."""
        t = self.thresholds
        return {
            "MIN_IMPROVEMENT": t.min_improvement,
            "MAX_P_VALUE": t.max_p_value,
            "MIN_ACCURACY": t.min_accuracy,
            "MIN_HOLDOUT_DAYS": t.min_holdout_days,
            "MIN_HOLDOUT_RUNS": t.min_holdout_runs,
            "in doubt": self.answer if t.on_doubt == ASK else t.on_doubt,
            "schedule": self.schedule,
        }


@dataclass(frozen=True)
class Candidate:
    """What rules need to know of a Sunday's candidate.

    Attributes:
        evidence: counts of the candidate alone on its holdout.
        holdout: its rows among all that are replayed.
        metadata: with `train_start` and `train_end`, ISO 8601.
        right: whether it predicts each row correctly `[n]`; False before its holdout.
    """

    evidence: Evidence
    holdout: slice
    metadata: Mapping[str, str]
    right: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class History:
    """Every Sunday's candidate and the rows that are replayed.

    Attributes:
        timestamps: datetime64[s] of the rows `[n]`, sorted.
        weeks: rows of the week that follows each Sunday.
        candidates: of each Sunday; None where none could be trained.
    """

    timestamps: NDArray[np.datetime64]
    weeks: Sequence[slice]
    candidates: Sequence[Candidate | None]
    _compared: dict[tuple[int, int], Evidence] = field(default_factory=dict)
    _decided: dict[tuple[Any, ...], Decision] = field(default_factory=dict)

    @property
    def rows(self) -> NDArray[np.int64]:
        """How many rows each week has `[weeks]`."""
        return np.array([week.stop - week.start for week in self.weeks], np.int64)

    @cached_property
    def correct(self) -> NDArray[np.int64]:
        """How many rows of each week each Sunday's candidate predicts correctly `[sundays, weeks]`.

        Of weeks before its Sunday they are rows it was trained on or judged by: nobody asks.
        """
        counts = np.zeros((len(self.candidates), len(self.weeks)), np.int64)
        for number, candidate in enumerate(self.candidates):
            if candidate:
                counts[number] = [np.count_nonzero(candidate.right[week]) for week in self.weeks]
        return counts

    def against(self, number: int, live: int) -> Evidence:
        """What the promotion rule is given of a candidate where another Sunday's is live."""
        if (number, live) not in self._compared:
            candidate, production = self.candidates[number], self.candidates[live]
            if candidate is None or production is None:
                raise ValueError(f"there is no candidate of Sunday {number} or {live}")
            part = candidate.holdout
            unseen = unseen_rows(self.timestamps[part], production.metadata).rows
            pair = Comparison.of(candidate.right[part][unseen], production.right[part][unseen])
            self._compared[number, live] = replace(candidate.evidence, comparison=pair)
        return self._compared[number, live]

    def deploys(self, number: int, live: int, rule: Rule) -> bool:
        """Whether a candidate would go live."""
        key = number, live, rule.thresholds
        if key not in self._decided:
            self._decided[key] = decide(self.against(number, live), rule.thresholds)
        decision = self._decided[key]
        return decision.deploy and not (decision.doubts and rule.answer == NO)


@dataclass(frozen=True)
class Course:
    """What came of a rule.

    Attributes:
        live: the Sunday whose model is live after each Sunday, from the first one on.
        correct: rows of each following week that it predicts correctly.
        deployments: how often another model went live.
        wrong: deployments that were worse than what they replaced, on the weeks after.
        missed: candidates that were kept out and were better than what was live, likewise.
    """

    live: tuple[int, ...]
    correct: NDArray[np.int64]
    deployments: int
    wrong: int
    missed: int


def follow(history: History, rule: Rule, first: int) -> Course:
    """Follows a rule from the Sunday whose candidate is the first one live, the same for all."""
    counts = history.correct
    live, wrong, missed, deployments = [first], 0, 0, 0
    every = SCHEDULES.get(rule.schedule, 0 if rule.schedule == NEVER else 1)
    for number in range(first + 1, len(history.candidates)):
        now, following = live[-1], slice(number, number + WEEKS_AFTER)
        due = every and (number - first) % every == 0 and history.candidates[number] is not None
        deploys = due and (rule.schedule == ALWAYS or history.deploys(number, now, rule))
        lead = int(counts[number, following].sum() - counts[now, following].sum())
        deployments += bool(deploys)
        wrong += bool(deploys and lead < 0)
        missed += bool(due and not deploys and lead > 0)
        live.append(number if deploys else now)
    return Course(
        tuple(live), counts[live, np.arange(first, len(counts))], deployments, wrong, missed
    )


def grid(present: Rule) -> Iterator[Rule]:
    """The present rule, then every rule that is tried."""
    yield present
    now = present.thresholds
    yield Rule(now, present.answer, NEVER)
    yield Rule(now, present.answer, ALWAYS)
    evidence = [(days, runs, NO) for days, runs in _EVIDENCE]
    own = (now.min_holdout_days, now.min_holdout_runs)
    for improvement, p_value, floor, (days, runs, answer), schedule in product(
        sorted({now.min_improvement, *_IMPROVEMENTS}),
        dict.fromkeys((now.max_p_value, *_P_VALUES)),
        sorted({now.min_accuracy, *_FLOORS}),
        dict.fromkeys([(*own, YES), (*own, NO), *evidence]),
        SCHEDULES,
    ):
        thresholds = PromotionThresholds(floor, improvement, p_value, days, runs, ASK)
        yield Rule(thresholds, answer, schedule)
