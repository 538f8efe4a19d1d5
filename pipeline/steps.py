"""What each task of the DAG does, as calls of the libraries.

Every step opens what it needs, calls the libraries and returns a small plain dict for an XCom.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from clickhouse.reading import read_samples
from clickhouse.snapshot import Snapshot, freeze, prune, verify
from expectations.errors import DataRejected
from expectations.gate import FrozenTable, run_gate
from expectations.thresholds import Thresholds
from ml.contract import FEATURES, REGIMES
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
    log.info("%s", report.as_text())
    if not report.passed:
        raise DataRejected(report)
    return {"snapshot": snapshot.to_dict(), "report": report.to_dict()}
