"""Walks through the Sundays: judges each candidate against the production of its day, and deploys.

It is the code of the weekly run on a MODELS_DIR of its own, which is gone afterwards.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from ml.data.reading import read_rows_since
from ml.data.samples import moment_of
from ml.evaluation.promotion import ASK, Decision, Evidence
from ml.evaluation.validation import judge_candidate
from ml.json_files import as_json
from ml.registry.deployment import deploy_candidate
from ml.registry.models import write_candidate
from ml.registry.names import METRICS_FILE, MODEL_FILE
from ml.registry.store import Store
from ml.replay.fitting import Source, read_fit, read_model, run_id_of
from ml.replay.plan import NO, Plan

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """What a Sunday came to.

    Attributes:
        outcome: `deployed`, `kept`, `rejected` by the data gate, or `failed` to train.
        live: number of the Sunday whose model is in production afterwards; None if there is none.
        decision: of the promotion rule; None without a candidate.
        asked: whether a person was asked.
    """

    outcome: str
    live: int | None
    decision: Decision | None = None
    asked: bool = False

    @property
    def evidence(self) -> Evidence | None:
        """What was counted of the candidate alone."""
        if self.decision is None:
            return None
        return replace(self.decision.evidence, comparison=None, notes=(), doubts=())


def walk(
    source: Source, plan: Plan, store: Store, sundays: Sequence[datetime], answer: str
) -> list[Step]:
    """Judges and deploys, Sunday by Sunday, from a place without any model on.

    Args:
        source: the rows.
        plan: with what thresholds.
        store: what `fit_sundays` has kept.
        sundays: all of them, oldest first.
        answer: what a person says where one is asked.
    """
    steps: list[Step] = []
    with TemporaryDirectory(prefix="replay-") as models_dir:
        for number, sunday in enumerate(sundays):
            fit, live = read_fit(store, sunday), steps[-1].live if steps else None
            if fit.metrics is None:
                steps.append(Step("rejected" if fit.stopped_by else "failed", live))
                continue
            files = {MODEL_FILE: read_model(store, sunday), METRICS_FILE: as_json(fit.metrics)}
            write_candidate(Path(models_dir), run_id_of(sunday), files)
            holdout = (str(fit.metrics["holdout_start"]), plan.known_before(sunday).isoformat())
            rows = read_rows_since(source.engine, source.rows, *map(moment_of, holdout))
            decision = judge_candidate(Path(models_dir), run_id_of(sunday), rows, plan.thresholds)
            asked = decision.deploy and bool(decision.doubts) and plan.thresholds.on_doubt == ASK
            if not decision.deploy or (asked and answer == NO):
                steps.append(Step("kept", live, decision, asked))
                continue
            sha256 = fit.metrics["model_sha256"]
            approved_at = sunday if asked else None
            deploy_candidate(
                Path(models_dir), run_id_of(sunday), sha256, sunday, approved_at=approved_at
            )
            steps.append(Step("deployed", number, decision, asked))
    log.info(
        "Judged %d Sundays (a person says %s): %d deployments",
        *(len(steps), answer, sum(step.outcome == "deployed" for step in steps)),
    )
    return steps
