"""What came of each Sunday: as the history that rules are replayed on, and as lines to read."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.replay.fitting import Fit
from ml.replay.plan import WEEK
from ml.replay.rules import Candidate, History
from ml.replay.walking import Step

_TOLD: Final = (
    *("model_sha256", "forest_sha256", "data_fingerprint", "total_samples", "train_samples"),
    *("holdout_samples", "test_accuracy", "accuracy_interval"),
)


def candidate_of(
    moments: NDArray[np.datetime64], known_before: datetime, fit: Fit, step: Step
) -> Candidate | None:
    """What rules need to know of a Sunday's candidate.

    Args:
        moments: of all rows, sorted.
        known_before: up to when the Sunday saw rows.
        fit: what came of its training.
        step: what came of its verdict.
    """
    if fit.metrics is None or fit.predicted is None or step.evidence is None:
        return None
    holdout = slice(len(moments) - len(fit.predicted), count_before(moments, known_before))
    seen = {name: str(fit.metrics[name]) for name in ("train_start", "train_end")}
    return Candidate(step.evidence, holdout, seen, fit.predicted)


def weeks_after(moments: NDArray[np.datetime64], days: Sequence[datetime]) -> list[slice]:
    """The rows of the week that follows each Sunday, among all."""
    return [slice(count_before(moments, day), count_before(moments, day + WEEK)) for day in days]


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
