"""Tells people what became of a run that did its work, or which answer it waits for."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ml.promotion import Decision
from notifications.facts import Comparison, TrainingFacts
from notifications.messages import approval_awaited, deployed, not_deployed
from pipeline.alerts import tell


def notify_success(
    report: Mapping[str, Any],
    trained: Mapping[str, Any],
    decision: Mapping[str, Any],
    links: Mapping[str, str],
) -> None:
    """Tells what became of the run: deployed, or not and why; and the data gate's warnings."""
    facts = _facts(report, trained, decision)
    tell(deployed(facts, links) if decision["deploy"] else not_deployed(facts, links))


def ask_for_approval(
    report: Mapping[str, Any],
    trained: Mapping[str, Any],
    decision: Mapping[str, Any],
    links: Mapping[str, str],
    until: datetime,
) -> None:
    """Tells that a model waits for a person's answer."""
    tell(approval_awaited(_facts(report, trained, decision), until, links))


def _facts(
    report: Mapping[str, Any], trained: Mapping[str, Any], decision: Mapping[str, Any]
) -> TrainingFacts:
    verdict = Decision.from_dict(decision)
    pairs = verdict.evidence.pairs
    comparison = (
        Comparison(pairs.candidate_accuracy, pairs.production_accuracy, pairs.rows)
        if pairs
        else None
    )
    warnings = (f"{rule['rule']}: {rule['observed']}" for rule in report["warnings"])
    return TrainingFacts(
        test_accuracy=trained["test_accuracy"],
        samples=trained["train_samples"],
        completed=datetime.now(UTC),
        reasons=verdict.reasons,
        comparison=comparison,
        notes=(*verdict.notes, *warnings),
    )
