"""The tasks `deploy_model` and `skip_deployment`: production changes, or stays as it is."""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ml.errors import decoration
from ml.json_files import as_json
from ml.registry.deployment import deploy_candidate
from ml.registry.models import read_candidate, read_production, update_candidate
from ml.registry.names import METRICS_FILE
from ml.registry.store import Store
from ml.report.pages import report_files, report_pages
from pipeline import gauges
from pipeline.settings import Settings

log = logging.getLogger(__name__)


def deploy_model(
    settings: Settings, run_id: str, trained: Mapping[str, Any], decision: Mapping[str, Any]
) -> dict[str, Any]:
    """Puts the candidate that was judged into production; its predecessor is kept.

    Returns:
        What was deployed, where, how good it is, and where the backup lies.
    """
    _keep_answer(settings, run_id, decision)
    deployment = deploy_candidate(
        settings.models,
        run_id,
        trained["model_sha256"],
        datetime.now(UTC),
        approved_at=_approved_at(decision),
        pages=report_pages,
    )
    log.info("In production: %s (sha256 %s)", deployment.path, deployment.sha256)
    details = event_details(settings.models, asdict(deployment))
    gauges.tell_of_production(details["accuracy"], details["deployed_at"])
    return details


def skip_deployment(settings: Settings, run_id: str, decision: Mapping[str, Any]) -> None:
    """Leaves production as it is and writes the reasons into the log."""
    _keep_answer(settings, run_id, decision)
    log.info("Production model unchanged: %s.", "; ".join(decision["reasons"]))
    with decoration("The gauges of production"):
        production = read_production(settings.models)
        metrics = (production.metrics if production else None) or {}
        accuracy = decision["production_accuracy"] or metrics.get("test_accuracy")
        gauges.tell_of_production(accuracy, metrics.get("deployed_at"))


def _approved_at(decision: Mapping[str, Any]) -> datetime | None:
    approval = decision.get("approval") or {}
    return datetime.fromisoformat(approval["at"]) if approval.get("approved") else None


def _keep_answer(settings: Settings, run_id: str, decision: Mapping[str, Any]) -> None:
    """Puts a person's answer into the candidate's metrics and reports."""
    if "approval" not in decision:
        return
    metrics = read_candidate(settings.models, run_id).metrics | {"decision": dict(decision)}
    files = {METRICS_FILE: as_json(metrics), **report_files(metrics)}
    update_candidate(settings.models, run_id, files)


def event_details(models: Store, deployment: Mapping[str, Any]) -> dict[str, Any]:
    """What an event of the asset says: the deployment, and its model's accuracy and versions."""
    metrics: Mapping[str, Any] = {}
    with decoration("What is known of the model in the event of the asset"):
        production = read_production(models)
        metrics = (production.metrics if production else None) or {}
    told = {"accuracy": metrics.get("test_accuracy"), "versions": metrics.get("versions")}
    return {**deployment, **told}
