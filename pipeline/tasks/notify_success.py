"""Tells people what became of a run that did its work, or which answer it waits for."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ml.decoration import decoration
from ml.errors import ModelError
from ml.evaluation.evidence import Pairs
from ml.evaluation.promotion import Decision
from ml.registry.models import read_candidate
from ml.registry.names import PRODUCTION
from notifications.facts import Comparison, RegimeCount, Significance, TrainingFacts
from notifications.message import Picture
from notifications.messages import approval_awaited, deployed, not_deployed
from pipeline.alerts import tell
from pipeline.settings import Settings

log = logging.getLogger(__name__)


def notify_success(  # noqa: PLR0913, PLR0917 - all of them are facts about the run
    settings: Settings,
    run_id: str,
    report: Mapping[str, Any],
    trained: Mapping[str, Any],
    decision: Mapping[str, Any],
    links: Mapping[str, str],
) -> None:
    """Tells what became of the run: deployed, or not and why; and the data gate's warnings."""
    metrics = _metrics(settings, run_id)
    facts = _facts(report, trained, decision, metrics)
    if decision["deploy"] and not (facts.comparison or decision["production_problem"]):
        place = settings.models.where(PRODUCTION)
        first = f"the first model put at {place}: see that the application reads it"
        facts = replace(facts, notes=(*facts.notes, first))
    word = deployed if decision["deploy"] else not_deployed
    tell(word(facts, links, _pictures(metrics, decision)))


def ask_for_approval(
    report: Mapping[str, Any],
    trained: Mapping[str, Any],
    decision: Mapping[str, Any],
    links: Mapping[str, str],
    until: datetime,
) -> None:
    """Tells that a model waits for a person's answer."""
    tell(approval_awaited(_facts(report, trained, decision, {}), until, links))


def _metrics(settings: Settings, run_id: str) -> dict[str, Any]:
    """The candidate's metrics; without them the message is shorter, but must not be lost."""
    try:
        return read_candidate(settings.models, run_id).metrics
    except (ModelError, OSError) as error:
        log.warning("The message goes without picture and interval: %s", error)
        return {}


def _facts(
    report: Mapping[str, Any],
    trained: Mapping[str, Any],
    decision: Mapping[str, Any],
    metrics: Mapping[str, Any],
) -> TrainingFacts:
    verdict = Decision.from_dict(decision)
    pairs = verdict.evidence.pairs
    warnings = (f"{rule['rule']}: {rule['observed']}" for rule in report["warnings"])
    return TrainingFacts(
        test_accuracy=trained["test_accuracy"],
        samples=trained["total_samples"],
        completed=datetime.now(UTC),
        reasons=verdict.reasons,
        comparison=_comparison(pairs, metrics.get("comparison") or {}) if pairs else None,
        notes=(*verdict.notes, *warnings),
        regimes=tuple(
            RegimeCount(count["regime"], count["samples"], count["missing"])
            for count in report["classes"]
        ),
        trained=trained["train_samples"],
        judged=verdict.evidence.holdout_samples,
    )


def _comparison(pairs: Pairs, measured: Mapping[str, Any]) -> Comparison:
    interval = measured.get("difference_interval")
    significance = Significance(
        pairs.only_candidate_right,
        pairs.only_production_right,
        pairs.p_value,
        (interval[0], interval[1]) if interval else None,
    )
    return Comparison(pairs.candidate_accuracy, pairs.production_accuracy, pairs.rows, significance)


def _pictures(metrics: Mapping[str, Any], decision: Mapping[str, Any]) -> tuple[Picture, ...]:
    if not metrics:
        return ()
    told = {**metrics, "decision": decision, "deployed_at": decision["deploy"] or None}
    with decoration("The confusion matrix"):
        from ml.report.plots import confusion_matrix_png

        return (Picture("confusion_matrix.png", confusion_matrix_png(told)),)
    return ()
