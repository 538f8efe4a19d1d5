"""What each task of the DAG does, as calls of the libraries.

Every step opens what it needs, calls the libraries and returns a small plain dict for an XCom.
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from clickhouse.reading import read_samples
from clickhouse.snapshot import Snapshot, freeze, prune, verify
from expectations.errors import DataRejected
from expectations.gate import FrozenTable, run_gate
from expectations.thresholds import Thresholds
from ml.candidate import build_candidate, judge_candidate
from ml.contract import FEATURES, REGIMES
from ml.deployment import deploy_candidate
from ml.metrics import Provenance
from ml.promotion import Decision, PromotionThresholds
from ml.registry import read_production, write_candidate
from ml.samples import Samples
from ml.training import TrainingOptions
from notifications.facts import Comparison, TrainingFacts
from notifications.messages import deployed, not_deployed
from pipeline.alerts import tell
from pipeline.connection import clickhouse_engine
from pipeline.settings import Settings

log = logging.getLogger(__name__)


def check_data(settings: Settings, run_id: str, started: datetime) -> dict[str, Any]:
    """Freezes the labelled rows of the run and judges them.

    Returns:
        The snapshot and the gate's report.

    Raises:
        DataRejected: if a rule does not hold; the report is logged before.
    """
    thresholds = Thresholds(
        min_samples=settings.min_labeled_samples,
        min_classes=settings.min_classes,
        min_samples_per_class=settings.min_samples_per_class,
        min_class_share=settings.min_class_share,
        max_class_share=settings.max_class_share,
        max_label_age_days=settings.max_label_age_days,
    )
    with clickhouse_engine() as engine:
        snapshot = freeze(engine, run_id, FEATURES, database=settings.snapshot_database)
        frozen = FrozenTable(snapshot.database, snapshot.table, run_id, started)
        report = run_gate(engine, frozen, FEATURES, REGIMES, thresholds, settings.data_docs_dir)
        prune(engine, snapshot.database, protect=_production_snapshot(settings))
    log.info("%s", report.as_text())
    if not report.passed:
        raise DataRejected(report)
    return {"snapshot": snapshot.to_dict(), "report": report.to_dict()}


def train_model(settings: Settings, run_id: str, snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """Trains on the frozen rows and keeps the candidate with its metrics.

    Returns:
        The candidate's digest and its first numbers.
    """
    frozen = Snapshot(**snapshot)
    provenance = Provenance(
        run_id=run_id,
        snapshot_table=frozen.name,
        data_fingerprint=frozen.fingerprint,
        trained_at=datetime.now(UTC),
    )
    candidate = build_candidate(
        _read(frozen), TrainingOptions(), settings.holdout_fraction, settings.embargo, provenance
    )
    log.info("%s", candidate.report)
    write_candidate(settings.models_dir, run_id, candidate.files())
    told = ("test_accuracy", "train_accuracy", "cv_accuracy", "total_samples", "train_samples")
    return {"model_sha256": candidate.sha256} | {name: candidate.metrics[name] for name in told}


def validate_model(settings: Settings, run_id: str, snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """Scores candidate and production on the same holdout rows and decides.

    Returns:
        The decision with every number and reason.
    """
    thresholds = PromotionThresholds(settings.min_accuracy, settings.min_improvement)
    samples = _read(Snapshot(**snapshot))
    decision = judge_candidate(settings.models_dir, run_id, samples, thresholds)
    verdict = "deploy" if decision.deploy else "keep production"
    log.info("Decision: %s.\n%s", verdict, "\n".join((*decision.reasons, *decision.notes)))
    return decision.to_dict()


def deploy_model(settings: Settings, run_id: str, trained: Mapping[str, Any]) -> dict[str, Any]:
    """Puts the candidate that was judged into production; its predecessor is kept.

    Returns:
        What was deployed, where, and where the backup lies.
    """
    deployment = deploy_candidate(
        settings.models_dir, run_id, trained["model_sha256"], datetime.now(UTC)
    )
    log.info("In production: %s (sha256 %s)", deployment.path, deployment.sha256)
    return asdict(deployment)


def skip_deployment(decision: Mapping[str, Any]) -> None:
    """Leaves production as it is and writes the reasons into the log."""
    log.info("Production model unchanged: %s.", "; ".join(decision["reasons"]))


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


def _production_snapshot(settings: Settings) -> tuple[str, ...]:
    production = read_production(settings.models_dir)
    if production is None or production.metrics is None:
        return ()
    return (str(production.metrics.get("snapshot_table")),)


def _read(snapshot: Snapshot) -> Samples:
    """Reads a frozen table, if it still is what was validated."""
    with clickhouse_engine() as engine:
        verify(engine, snapshot)
        return Samples(**read_samples(engine, snapshot, FEATURES, REGIMES))
