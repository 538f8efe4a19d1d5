"""Replays any promotion rule on what the Sundays' candidates predicted; nothing is trained for it.

Which model is live under a rule is decided by `ml.evaluation.promotion` itself, from what is
counted on the holdout of each Sunday. Rows that follow a Sunday measure what came of it and decide
nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.data.samples import Samples
from ml.evaluation.comparison import mean_costs, unseen_rows
from ml.evaluation.paired import Comparison, SliceLosses, losing_slices
from ml.evaluation.promotion import ASK, Decision, Evidence, PromotionThresholds, decide
from ml.evaluation.switching import Costs
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
_SLICE_LOSSES: Final = (None, 0.0, 0.05, 0.1)


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
            "MAX_SLICE_LOSS": t.max_slice_loss,
            "DECISION_COSTS": t.decision_costs and "as set",
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
        predicted: index into `REGIMES` that it names for each row from its holdout on, uint8.
    """

    evidence: Evidence
    holdout: slice
    metadata: Mapping[str, str]
    predicted: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class History:
    """Every Sunday's candidate and the rows that are replayed.

    Attributes:
        samples: the rows `[n]`; of their features nothing is asked.
        weeks: rows of the week that follows each Sunday.
        candidates: of each Sunday; None where none could be trained.
    """

    samples: Samples
    weeks: Sequence[slice]
    candidates: Sequence[Candidate | None]
    _compared: dict[tuple[Any, ...], Comparison] = field(default_factory=dict)
    _losses: dict[tuple[int, int], SliceLosses] = field(default_factory=dict)
    _decided: dict[tuple[Any, ...], Decision] = field(default_factory=dict)

    @property
    def rows(self) -> NDArray[np.int64]:
        """How many rows each week has `[weeks]`."""
        return np.array([week.stop - week.start for week in self.weeks], np.int64)

    @cached_property
    def correct(self) -> NDArray[np.int64]:
        """How many rows of each week each Sunday's candidate predicts correctly `[sundays, weeks]`.

        Weeks before its Sunday, whose rows it was trained on or judged by, have 0.
        """
        counts = np.zeros((len(self.candidates), len(self.weeks)), np.int64)
        for number, candidate in enumerate(self.candidates):
            if candidate:
                later = self.weeks[number:]
                counts[number, number:] = [self.right(number, week).sum() for week in later]
        return counts

    def candidate(self, number: int) -> Candidate:
        """The candidate of a Sunday that has one."""
        found = self.candidates[number]
        if found is None:
            raise ValueError(f"there is no candidate of Sunday {number}")
        return found

    def predicted(self, number: int, rows: slice) -> NDArray[np.uint8]:
        """What a candidate names for rows, none of them before its holdout."""
        candidate = self.candidate(number)
        first = candidate.holdout.start
        return candidate.predicted[rows.start - first : rows.stop - first]

    def right(self, number: int, rows: slice) -> NDArray[np.bool_]:
        """Which of these rows it predicts correctly."""
        found: NDArray[np.bool_] = self.predicted(number, rows) == self.samples.labels[rows]
        return found

    def deploys(self, number: int, live: int, rule: Rule) -> bool:
        """Whether a candidate would go live where another Sunday's is."""
        key = number, live, rule.thresholds
        if key not in self._decided:
            self._decided[key] = self._decide(*key)
        decision = self._decided[key]
        return decision.deploy and not (decision.doubts and rule.answer == NO)

    def _decide(self, number: int, live: int, thresholds: PromotionThresholds) -> Decision:
        pair = self._pair(number, live, thresholds.decision_costs)
        evidence = replace(self.candidate(number).evidence, comparison=pair)
        decision = decide(evidence, thresholds)
        if not decision.deploy or thresholds.max_slice_loss is None:
            return decision
        # They can only speak against, and to find them takes long: not where others do so already.
        pair = replace(pair, slices=self._slices(number, live))
        return decide(replace(evidence, comparison=pair), thresholds)

    def _pair(self, number: int, live: int, costs: Costs | None) -> Comparison:
        key = number, live, costs
        if key not in self._compared:
            part = self.candidate(number).holdout
            a, b = (self.predicted(each, part) for each in (number, live))
            unseen, labels = self._unseen(number, live), self.samples.labels[part]
            mean = mean_costs(labels, (a, b), unseen, costs)
            right = ((predicted == labels)[unseen] for predicted in (a, b))
            self._compared[key] = Comparison.of(*right, costs=mean)
        return self._compared[key]

    def _slices(self, number: int, live: int) -> SliceLosses:
        if (number, live) not in self._losses:
            part = self.candidate(number).holdout
            right, other = (self.right(each, part) for each in (number, live))
            rows, unseen = self.samples.rows(part), self._unseen(number, live)
            self._losses[number, live] = losing_slices(rows, right, other, unseen)
        return self._losses[number, live]

    def _unseen(self, number: int, live: int) -> NDArray[np.bool_]:
        rows = self.samples.timestamps[self.candidate(number).holdout]
        return unseen_rows(rows, self.candidate(live).metadata).rows


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
    for improvement, loss, costs, schedule in product(
        sorted({now.min_improvement, *_IMPROVEMENTS}),
        dict.fromkeys((now.max_slice_loss, *_SLICE_LOSSES)),
        dict.fromkeys((now.decision_costs, None)),
        SCHEDULES,
    ):
        asked = {"min_improvement": improvement, "max_slice_loss": loss, "decision_costs": costs}
        yield Rule(replace(now, **asked), present.answer, schedule)
    evidence = [(days, runs, NO) for days, runs in _EVIDENCE]
    own = (now.min_holdout_days, now.min_holdout_runs)
    for improvement, p_value, floor, (days, runs, answer), schedule in product(
        sorted({now.min_improvement, *_IMPROVEMENTS}),
        dict.fromkeys((now.max_p_value, *_P_VALUES)),
        sorted({now.min_accuracy, *_FLOORS}),
        dict.fromkeys([(*own, YES), (*own, NO), *evidence]),
        SCHEDULES,
    ):
        asked = {"min_improvement": improvement, "max_p_value": p_value, "min_accuracy": floor}
        asked |= {"min_holdout_days": days, "min_holdout_runs": runs, "on_doubt": ASK}
        yield Rule(replace(now, **asked), answer, schedule)
