"""What came of each Sunday: as the history that rules are replayed on, and as lines to read."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clickhouse.thinning import Counts
from ml.data.samples import moment_of
from ml.replay.fitting import Fit
from ml.replay.plan import WEEK, Plan
from ml.replay.rules import Candidate, History
from ml.replay.walking import Step

_TOLD: Final = (
    *("model_sha256", "forest_sha256", "data_fingerprint", "total_samples", "train_samples"),
    *("holdout_samples", "test_accuracy", "accuracy_interval"),
)


def history_of(
    plan: Plan,
    counts: Counts,
    days: Sequence[datetime],
    fits: Sequence[Fit],
    steps: Sequence[Step],
) -> History:
    """What the rules are replayed on."""
    moments = np.repeat(counts.timestamps, counts.rows.sum(axis=1))
    candidates: list[Candidate | None] = []
    for day, fit, step in zip(days, fits, steps, strict=True):
        if fit.metrics is None or fit.right is None or step.evidence is None:
            candidates.append(None)
            continue
        right = np.zeros(len(moments), bool)
        right[len(moments) - len(fit.right) :] = fit.right
        start = moment_of(str(fit.metrics["holdout_start"]))
        first = int(np.searchsorted(moments, start, side="left"))
        holdout = slice(first, count_before(moments, plan.known_before(day)))
        seen = {name: str(fit.metrics[name]) for name in ("train_start", "train_end")}
        candidates.append(Candidate(step.evidence, holdout, seen, right))
    weeks = [slice(count_before(moments, day), count_before(moments, day + WEEK)) for day in days]
    return History(moments, weeks, candidates)


def told_of(day: datetime, fit: Fit) -> dict[str, Any]:
    """What `replay.json` says of a Sunday's training."""
    known = {name: fit.metrics[name] if fit.metrics else None for name in _TOLD}
    problem = {"problem": fit.problem, "stopped_by": list(fit.stopped_by)}
    return {"sunday": day.isoformat(), **known, **problem}


def timeline(history: History, steps: Sequence[Step]) -> list[dict[str, Any]]:
    """What each Sunday came to, and how good its models were on the week that followed."""
    lines = []
    for number, step in enumerate(steps):
        rows, former = int(history.rows[number]), steps[number - 1].live if number else None
        own = number if history.candidates[number] else None
        models = {"candidate": own, "production": former, "live": step.live}
        following = {
            name: None if model is None or not rows else int(history.correct[model, number]) / rows
            for name, model in models.items()
        }
        decision = step.decision
        lines.append(
            {
                "outcome": step.outcome,
                "asked": step.asked,
                "live": step.live,
                "reasons": list(decision.reasons) if decision else [],
                "notes": list(decision.notes) if decision else [],
                "production_accuracy": decision and decision.to_dict()["production_accuracy"],
                "following_rows": rows,
                "following": following,
            }
        )
    return lines


def count_before(moments: NDArray[np.datetime64], then: datetime) -> int:
    """How many of sorted moments lie before one."""
    return int(np.searchsorted(moments, np.datetime64(then.replace(tzinfo=None), "s")))
