"""The tasks `deploy_model` and `skip_deployment`: production changes, or stays as it is."""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ml.deployment import deploy_candidate
from pipeline.settings import Settings

log = logging.getLogger(__name__)


def deploy_model(settings: Settings, run_id: str, trained: Mapping[str, Any]) -> dict[str, Any]:
    """Puts the candidate that was judged into production; its predecessor is kept.

    Returns:
        What was deployed, where, and where the backup lies.
    """
    deployment = deploy_candidate(
        settings.models, run_id, trained["model_sha256"], datetime.now(UTC)
    )
    log.info("In production: %s (sha256 %s)", deployment.path, deployment.sha256)
    return asdict(deployment)


def skip_deployment(decision: Mapping[str, Any]) -> None:
    """Leaves production as it is and writes the reasons into the log."""
    log.info("Production model unchanged: %s.", "; ".join(decision["reasons"]))
