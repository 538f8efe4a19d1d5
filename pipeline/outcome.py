"""The task `notify_success`: tells people what became of a run that did its work."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ml.promotion import Decision
from notifications.facts import Comparison, TrainingFacts
from notifications.messages import deployed, not_deployed
from pipeline.alerts import tell


def notify_success(
    trained: Mapping[str, Any], decision: Mapping[str, Any], links: Mapping[str, str]
) -> None:
    """Tells what became of the run: deployed, or not and why."""
    verdict = Decision.from_dict(decision)
    evidence = verdict.evidence
    comparison = None
    if evidence.candidate_accuracy is not None and evidence.production_accuracy is not None:
        comparison = Comparison(
            evidence.candidate_accuracy, evidence.production_accuracy, evidence.compared_samples
        )
    facts = TrainingFacts(
        test_accuracy=trained["test_accuracy"],
        samples=trained["train_samples"],
        completed=datetime.now(UTC),
        reasons=verdict.reasons,
        comparison=comparison,
        notes=verdict.notes,
    )
    tell(deployed(facts, links) if verdict.deploy else not_deployed(facts, links))
