"""The tasks of `regime_model_rollback`: a former model becomes production again."""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ml.errors import decoration
from ml.registry.deployment import roll_back as roll_back_model
from ml.registry.status import KeptModel, read_status, status_text
from notifications.messages import rolled_back
from pipeline import gauges
from pipeline.alerts import tell
from pipeline.settings import Settings
from pipeline.tasks.deploy_model import event_details

log = logging.getLogger(__name__)


def list_backups(settings: Settings, to: str | None) -> dict[str, Any]:
    """Lists what there is, in the log as a table, and settles which backup comes back.

    Without a name that is the newest that is sound.

    It is settled before anything changes: "the newest" means another backup after a rollback, so a
    repeated `roll_back` would undo itself.

    Returns:
        Production, None if there is none, and the name of the backup, None if none is sound.
    """
    status = read_status(settings.models)
    with decoration("The table in the log"):
        log.info("%s", status_text(status, datetime.now(UTC)))
    sound = (kept.name.rpartition("/")[2] for kept in status.backups if not kept.problem)
    return {
        "production": _told(status.production) if status.production else None,
        "backup": to or next(sound, None),
    }


def roll_back(
    settings: Settings, backup: str | None, by: str | None, why: str | None
) -> dict[str, Any]:
    """Makes a backup production again, and holds it there; what it replaces is kept.

    Without a name that is the newest. Who started the run, and why, is kept as far as it is known.

    Returns:
        What is in production now, how good it is, and where the replaced pair lies.
    """
    deployment = roll_back_model(settings.models, datetime.now(UTC), backup, by=by, why=why or "")
    log.info("In production: %s (sha256 %s)", deployment.path, deployment.sha256)
    details = event_details(settings.models, asdict(deployment))
    gauges.tell_of_production(details["accuracy"], details["deployed_at"])
    return details


def notify_rollback(
    listed: Mapping[str, Any], rolled: Mapping[str, Any], links: Mapping[str, str]
) -> None:
    """Tells which model is in production now and which it replaced."""
    told = {**rolled, "replaced": listed["production"]}
    tell(rolled_back(told, datetime.now(UTC), links))


def _told(model: KeptModel) -> dict[str, Any]:
    return {name: model.metrics.get(name) for name in ("run_id", "test_accuracy")}
