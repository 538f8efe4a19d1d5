"""The task `train_model`: a candidate of the frozen rows."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from clickhouse.engine import server_version
from clickhouse.snapshot import Snapshot, verify
from ml.data.reading import read_training_rows
from ml.registry.models import write_candidate
from ml.registry.names import REPORT_FILE
from ml.training.candidate import build_candidate
from ml.training.forest import TrainingOptions
from ml.training.metrics import Provenance, source_commit
from ml.words import percent
from pipeline.connection import clickhouse_engine
from pipeline.dag_defaults import log_group
from pipeline.label_next import list_labels
from pipeline.settings import Settings

log = logging.getLogger(__name__)


def train_model(settings: Settings, run_id: str, snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """Trains on the frozen rows and keeps the candidate with its metrics.

    Returns:
        The candidate's digest and its first numbers.
    """
    frozen = Snapshot(**snapshot)
    options = TrainingOptions(max_train_rows=settings.max_train_rows)
    cut = settings.holdout_fraction, settings.embargo
    with log_group(log, "Training"):
        with clickhouse_engine() as engine:
            verify(engine, frozen)
            samples = read_training_rows(engine, frozen, *cut, options.max_train_rows)
            clickhouse = server_version(engine)
        provenance = Provenance(
            run_id=run_id,
            snapshot_table=frozen.name,
            data_fingerprint=frozen.fingerprint,
            trained_at=datetime.now(UTC),
            git_commit=source_commit(),
            platform={"airflow": version("apache-airflow"), "clickhouse": clickhouse},
        )
        candidate = build_candidate(
            *(samples, options, *cut, provenance),
            scheduler=settings.train_dask_scheduler,
            min_accuracy=settings.min_accuracy,
        )
    log.info(
        "Accuracy on the holdout, not judged yet: %s", percent(candidate.metrics["test_accuracy"])
    )
    files = candidate.files()
    with log_group(log, "Report"):
        log.info("%s", files.get(REPORT_FILE, b"").decode())
    write_candidate(settings.models, run_id, files)
    label_next = list_labels(settings, run_id, candidate.model)
    told = ("test_accuracy", "train_accuracy", "cv_accuracy", "total_samples", "train_samples")
    numbers = {name: candidate.metrics[name] for name in told}
    words = {
        "label_next": label_next,
        "more_labels": (candidate.metrics.get("learning_curve") or {}).get("words"),
    }
    return {"model_sha256": candidate.sha256, **words, **numbers}
