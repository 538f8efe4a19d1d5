"""The tasks `train_model` and `validate_model`: a candidate of the frozen rows, and its verdict."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from clickhouse.reading import read_samples
from clickhouse.snapshot import Snapshot, verify
from ml.candidate import build_candidate, judge_candidate
from ml.contract import FEATURES, REGIMES
from ml.metrics import Provenance
from ml.promotion import PromotionThresholds
from ml.registry import write_candidate
from ml.samples import Samples
from ml.source import source_commit
from ml.training import TrainingOptions
from pipeline.connection import clickhouse_engine
from pipeline.settings import Settings

log = logging.getLogger(__name__)


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
        git_commit=source_commit(),
    )
    candidate = build_candidate(
        _read(frozen), TrainingOptions(), settings.holdout_fraction, settings.embargo, provenance
    )
    log.info("%s", candidate.report)
    write_candidate(settings.models, run_id, candidate.files())
    told = ("test_accuracy", "train_accuracy", "cv_accuracy", "total_samples", "train_samples")
    return {"model_sha256": candidate.sha256} | {name: candidate.metrics[name] for name in told}


def validate_model(settings: Settings, run_id: str, snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """Scores candidate and production on the same holdout rows and decides; the log has the report.

    Returns:
        The decision with every number and reason.
    """
    thresholds = PromotionThresholds(
        settings.min_accuracy, settings.min_improvement, settings.max_p_value
    )
    samples = _read(Snapshot(**snapshot))
    return judge_candidate(settings.models, run_id, samples, thresholds).to_dict()


def _read(snapshot: Snapshot) -> Samples:
    """Reads a frozen table, if it still is what was validated."""
    with clickhouse_engine() as engine:
        verify(engine, snapshot)
        return Samples(**read_samples(engine, snapshot, FEATURES, REGIMES))
