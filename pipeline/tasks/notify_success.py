"""Tells people what became of a run that did its work, or which answer it waits for."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ml.errors import decoration
from ml.registry.models import read_candidate
from ml.registry.names import PRODUCTION
from notifications.message import Picture
from notifications.messages import deployed, kept, waiting
from pipeline.alerts import tell
from pipeline.settings import Settings
from pipeline.ui.addresses import label_link


def notify_success(  # noqa: PLR0913, PLR0917 - all of them are of the run
    settings: Settings,
    run_id: str,
    report: Mapping[str, Any],
    trained: Mapping[str, Any],
    decision: Mapping[str, Any],
    links: Mapping[str, str],
) -> None:
    """Tells what became of the run: deployed, or not and why; and the data gate's warnings."""
    told = dict(decision)
    if decision["deploy"] and not (decision["comparison"] or decision["production_problem"]):
        place = settings.models.where(PRODUCTION)
        first = f"the first model put at {place}: see that the application reads it"
        told["notes"] = [*decision["notes"], first]
    word = deployed if decision["deploy"] else kept
    metrics = {**trained, "decision": told}
    links = {**links, **label_link(trained.get("label_next"))}
    tell(word(metrics, report, datetime.now(UTC), links, _pictures(settings, run_id, decision)))


def ask_for_approval(
    report: Mapping[str, Any],
    trained: Mapping[str, Any],
    decision: Mapping[str, Any],
    links: Mapping[str, str],
    until: datetime,
) -> None:
    """Tells that a model waits for a person's answer."""
    tell(waiting({**trained, "decision": decision}, report, until, links))


def _pictures(settings: Settings, run_id: str, decision: Mapping[str, Any]) -> tuple[Picture, ...]:
    with decoration("The confusion matrix"):
        from ml.report.plots import confusion_matrix_png

        metrics = read_candidate(settings.models, run_id).metrics
        told = {**metrics, "decision": decision, "deployed_at": decision["deploy"] or None}
        return (Picture("confusion_matrix.png", confusion_matrix_png(told)),)
    return ()
