"""The task `replay`: past Sundays on the rows of today, below the folder of the Data Docs."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from clickhouse.snapshot import Snapshot
from expectations.gate import FrozenTable, run_gate
from expectations.run_record import folder_of_run
from expectations.thresholds import Thresholds
from ml.replay.plan import Gate, Plan
from ml.replay.run import replay as replay_sundays
from ml.training.forest import TrainingOptions
from pipeline.connection import clickhouse_engine
from pipeline.settings import Settings, read_replays_dir
from pipeline.tasks import check_data, validate_model

if TYPE_CHECKING:
    from sqlalchemy import Engine

log = logging.getLogger(__name__)


def replay(settings: Settings, run_id: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Replays what the form asks for; a retry goes on where the try before it was stopped.

    Returns:
        The folder, and what the replay says.
    """
    plan = Plan(
        *(params["weeks"], timedelta(hours=params["label_delay"]), params["answer"]),
        TrainingOptions(max_train_rows=settings.max_train_rows),
        *(settings.holdout_fraction, settings.embargo),
        validate_model.thresholds_of(settings, settings.on_doubt or "ask"),
    )
    folder = read_replays_dir() / folder_of_run(run_id)
    gate = gate_by(check_data.thresholds_of(settings)) if params["gate"] else None
    with clickhouse_engine() as engine:
        found = replay_sundays(engine, plan, folder, database=settings.snapshot_database, gate=gate)
    log.info("%s.", ".\n".join(found["says"]))
    return {"folder": str(folder), "says": found["says"]}


def gate_by(thresholds: Thresholds | None = None) -> Gate:
    """The data gate of the weekly run, without its pages and its look at production."""
    bounds = thresholds or Thresholds()

    def judge(engine: "Engine", rows: Snapshot, sunday: datetime) -> tuple[str, ...]:
        frozen = FrozenTable(rows.database, rows.table, "replay", sunday, rows.fingerprint)
        with TemporaryDirectory(prefix="replay-") as docs:
            report = run_gate(engine, frozen, check_data.CONTRACT, bounds, Path(docs))
        return tuple(rule.rule for rule in report.failed_rules)

    return judge
