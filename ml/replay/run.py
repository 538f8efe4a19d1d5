"""Replays past Sundays from first to last: rows in, one JSON and one page out."""

import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from sqlalchemy import Engine

from clickhouse.errors import ClickHouseRefused
from clickhouse.snapshot import Snapshot, find_snapshot, freeze, table_name
from clickhouse.thinning import Counts, count_by_time
from ml.contract import FEATURES, REGIMES
from ml.errors import ModelError
from ml.json_files import as_json, read_object
from ml.registry.store import Folder
from ml.replay.findings import age_costs, compare_rules, gate_stops, kept_promises
from ml.replay.fitting import Fit, Source, fit_sundays, read_fit
from ml.replay.page import PAGE, RESULT, replay_page, sentences
from ml.replay.plan import Gate, Plan, sundays
from ml.replay.rules import Rule
from ml.replay.timeline import count_before, history_of, timeline, told_of
from ml.replay.walking import Step, walk
from ml.training.metrics import source_commit

log = logging.getLogger(__name__)


_UNFINISHED: Final = ".unfinished"
_PLAN: Final = "plan.json"


def replay(  # noqa: PLR0913
    engine: Engine,
    plan: Plan,
    folder: Path,
    *,
    snapshot: Snapshot | None = None,
    database: str | None = None,
    gate: Gate | None = None,
) -> dict[str, Any]:
    """Replays, and writes `replay.json` and `replay.html`; a killed replay goes on where it was.

    Args:
        engine: on the server with the rows.
        plan: what to replay.
        folder: of this replay alone.
        snapshot: frozen rows to replay; None freezes all that are labelled now.
        database: where to freeze; None for the connection's own.
        gate: judges the rows of each Sunday, and stops those it would have stopped.

    Returns:
        What `replay.json` holds.

    Raises:
        ModelError: if there is no Sunday to replay, or the folder is another replay's.
    """
    rows = snapshot or _frozen(engine, folder, database)
    counts = count_by_time(engine, rows, REGIMES)
    of_today = {"fingerprint": rows.fingerprint, "git_commit": source_commit()}
    told = {**plan.to_dict(), "gate": gate is not None, **of_today}
    # As it will be read again.
    told = read_object(as_json(told)) or {}
    before = _sundays(counts, plan)
    if _is_done(folder, told):
        return read_object(Folder(folder).read(RESULT)) or {}
    store = Folder(folder / _UNFINISHED)
    source = Source(engine, rows, gate)
    fit_sundays(source, plan, store, before)
    walks = {answer: walk(source, plan, store, list(before), answer) for answer in plan.answers}
    fits = [read_fit(store, sunday) for sunday in before]
    found = {"replayed": told, **_findings(plan, counts, list(before), fits, walks)}
    found["says"] = list(sentences(found))
    place = Folder(folder)
    place.write(PAGE, replay_page(found))
    place.write(RESULT, as_json(found))
    place.remove_folder(_UNFINISHED)
    return found


def _frozen(engine: Engine, folder: Path, database: str | None) -> Snapshot:
    """What this replay has frozen already, or all that is labelled now."""
    run_id = f"replay__{folder.resolve()}"
    try:
        name = table_name(run_id)
        return find_snapshot(engine, f"{database}.{name}" if database else name)
    except ClickHouseRefused:
        return freeze(engine, run_id, FEATURES, database=database)


def _sundays(counts: Counts, plan: Plan) -> dict[datetime, int]:
    """The Sundays, and how many rows each one may see."""
    found = sundays(counts.timestamps, plan) if len(counts.timestamps) else ()
    if not found:
        raise ModelError(
            f"No Sunday can be replayed: {int(counts.rows.sum())} labelled rows, none of them "
            f"{plan.label_delay} before one",
            "label rows of several weeks, or lower --label-delay",
        )
    total = np.r_[0, np.cumsum(counts.rows.sum(axis=1))]
    return {
        sunday: int(total[count_before(counts.timestamps, plan.known_before(sunday))])
        for sunday in found
    }


def _is_done(folder: Path, told: dict[str, Any]) -> bool:
    """Whether this very replay is finished; if it is not begun, its plan is written down."""
    place, name = Folder(folder), f"{_UNFINISHED}/{_PLAN}"
    finished = read_object(place.read(RESULT))
    begun = finished["replayed"] if finished else read_object(place.read(name))
    if begun not in (None, told):
        known = {**begun, **told} if begun else {}
        other = [key for key in known if (begun or {}).get(key) != told.get(key)]
        raise ModelError(
            f"{folder} holds a replay of another {', '.join(other)}", "choose another folder"
        )
    if finished is None and begun is None:
        place.write(name, as_json(told))
    return finished is not None


def _findings(
    plan: Plan,
    counts: Counts,
    days: Sequence[datetime],
    fits: Sequence[Fit],
    walks: dict[str, list[Step]],
) -> dict[str, Any]:
    answer, steps = next(iter(walks.items()))
    history = history_of(plan, counts, days, fits, steps)
    lines = {key: timeline(history, of) for key, of in walks.items()}
    found = {
        "sundays": [told_of(day, fit) for day, fit in zip(days, fits, strict=True)],
        "timelines": lines,
        "age": age_costs(history),
        "promises": kept_promises(history),
        "data_gate": gate_stops([fit.stopped_by for fit in fits]),
    }
    trained = [k for k, candidate in enumerate(history.candidates) if candidate]
    first = next((k for k, step in enumerate(steps) if step.live is not None), None)
    if trained:
        first = trained[0] if first is None else first
        compared = compare_rules(history, Rule(plan.thresholds, answer), first)
        found |= {"rules_from": days[first].isoformat(), **compared}
    return found
