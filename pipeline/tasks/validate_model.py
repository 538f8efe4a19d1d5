"""The task `validate_model`: the verdict on the run's candidate."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from clickhouse.snapshot import Snapshot, verify
from ml.data.reading import newest_unlabelled_rows, read_rows_since
from ml.data.samples import moment_of
from ml.errors import decoration
from ml.evaluation.comparison import compare_answers
from ml.evaluation.promotion import PromotionThresholds
from ml.evaluation.validation import judge_candidate
from ml.onnx_model import load_model
from ml.registry.hold import release
from ml.registry.models import Candidate, read_candidate, read_production
from ml.registry.names import REPORT_FILE, candidate_folder
from ml.report.text import verdict_lines
from pipeline.connection import clickhouse_engine
from pipeline.dag_defaults import log_group
from pipeline.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

log = logging.getLogger(__name__)


def lift_hold(settings: Settings, by: str | None) -> None:
    """Lifts the hold of a rollback, as the trigger form asked."""
    hold = release(settings.models, datetime.now(UTC), by)
    log.info("%s", f"Lifted: {hold}" if hold else "There is no hold")


def validate_model(
    settings: Settings,
    run_id: str,
    snapshot: Mapping[str, Any],
    on_doubt: str,
    former_place: str | None = None,
) -> dict[str, Any]:
    """Scores candidate and production on the same holdout rows and decides; the log has the report.

    Returns:
        The decision with every number and reason.
    """
    thresholds = thresholds_of(settings, on_doubt)
    frozen = Snapshot(**snapshot)
    candidate = read_candidate(settings.models, run_id)
    holdout_start = moment_of(candidate.metrics["holdout_start"])
    with clickhouse_engine() as engine:
        verify(engine, frozen)
        samples = read_rows_since(engine, frozen, holdout_start)
        change = _change(settings, candidate, engine)
    judged_now = judge_candidate(settings.models, run_id, samples, thresholds, former_place, change)
    decision = judged_now.to_dict() | {"change": (change or {}).get("words", [])}
    with log_group(log, "Report"), decoration("The report in the log"):
        report = settings.models.read(f"{candidate_folder(run_id)}/{REPORT_FILE}") or b""
        log.info("%s", report.decode())
    log.info("%s", "\n".join(verdict_lines(decision)))
    return decision


def _change(settings: Settings, candidate: Candidate, engine: "Engine") -> dict[str, Any] | None:
    """What changes for the application on the newest rows that nobody has labelled."""
    with decoration("What changes on unlabelled rows"):
        production = read_production(settings.models)
        if production is not None:
            rows = newest_unlabelled_rows(engine, settings.snapshot_database)
            return compare_answers(rows, load_model(candidate.model), load_model(production.model))
    return None


def thresholds_of(settings: Settings, on_doubt: str) -> PromotionThresholds:
    """What the promotion rule asks for."""
    accuracy = settings.min_accuracy, settings.min_improvement, settings.max_p_value
    evidence = settings.min_holdout_days, settings.min_holdout_runs
    loss, costs = settings.max_slice_loss, settings.decision_costs
    return PromotionThresholds(*accuracy, *evidence, on_doubt, loss, costs)
