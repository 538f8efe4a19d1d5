"""The task `check_data`: freeze the labelled rows of a run, judge them, report."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from clickhouse.engine import error_told
from clickhouse.snapshot import extent_of, freeze, prune
from expectations.errors import DataRejected, GateNotRun
from expectations.gate import FrozenTable, run_gate
from expectations.rules.reference import Reference
from expectations.suite import Contract
from expectations.thresholds import Thresholds
from ml.contract import COLUMN_TYPES, FEATURES, POSITIVE, RANGES, REGIMES
from ml.onnx_model import profile_in
from ml.registry.models import Production, read_production
from pipeline import gauges
from pipeline.connection import clickhouse_engine
from pipeline.dag_defaults import log_group
from pipeline.label_next import list_labels
from pipeline.settings import Settings

log = logging.getLogger(__name__)

_NO_PROFILE: Final = "its metrics hold no whole profile of its training data"
CONTRACT = Contract(COLUMN_TYPES, FEATURES, REGIMES, POSITIVE, RANGES)


def check_data(settings: Settings, run_id: str, started: datetime) -> dict[str, Any]:
    """Freezes the labelled rows of the run and judges them.

    Returns:
        The snapshot and the gate's report.

    Raises:
        DataRejected: if a rule does not hold; the report is logged before.
    """
    thresholds = thresholds_of(settings)
    production = read_production(settings.models)
    metrics = (production.metrics if production else None) or {}
    reference = _reference(production) if production else None
    with clickhouse_engine() as engine:
        snapshot = freeze(engine, run_id, FEATURES, database=settings.snapshot_database)
        if snapshot.converted:
            log.info("Converted while freezing, without loss: %s.", ", ".join(snapshot.converted))
        frozen = FrozenTable(
            snapshot.database,
            snapshot.table,
            run_id,
            started,
            snapshot.fingerprint,
            snapshot.converted,
        )
        docs, extent = settings.data_docs_dir, extent_of(engine)
        try:
            report = run_gate(engine, frozen, CONTRACT, thresholds, docs, reference, extent)
        except GateNotRun as error:
            raise error_told(engine.url, str(error)) or error from error
        prune(engine, snapshot.database, protect=[str(metrics.get("snapshot_table"))])
    with log_group(log, f"Every rule ({len(report.rules)})"):
        log.info("%s", report.rules_text())
    log.info("%s", report.as_text())
    gauges.tell_of_data(report.samples or 0, report.passed)
    if not report.passed:
        rejected = DataRejected(report)
        if told := list_labels(settings, run_id):
            rejected.add_note(told)
        raise rejected
    return {"snapshot": snapshot.to_dict(), "report": report.to_dict()}


def thresholds_of(settings: Settings) -> Thresholds:
    """The bounds of the data gate."""
    names = ("min_classes", "min_samples_per_class", "min_class_share", "max_class_share")
    bounds = {name: getattr(settings, name) for name in (*names, "max_label_age_days")}
    return Thresholds(min_samples=settings.min_labeled_samples, **bounds)


def _reference(production: Production) -> Reference:
    """What production was trained on, by its metrics or else by the file itself."""
    metrics = production.metrics or {}
    found = Reference.from_dict(profile_of_production(production))
    if found.features:
        return found
    lost = "its metrics are missing, damaged or another model's" if not metrics else _NO_PROFILE
    return Reference(problem=f"{lost}, and the file itself holds none")


def profile_of_production(production: Production) -> Mapping[str, Any]:
    """What its training rows looked like, by its metrics or else by the file itself; or empty."""
    told = (production.metrics or {}).get("profile")
    if Reference.from_dict(told).features:
        return dict(told or {})
    found = profile_in(production.model)
    return found if isinstance(found, dict) else {}
