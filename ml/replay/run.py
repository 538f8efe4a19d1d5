"""Replays past Sundays from first to last: rows in, one JSON and one page out."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from sqlalchemy import Engine

from clickhouse.errors import ClickHouseRefused
from clickhouse.snapshot import Snapshot, drop, find_snapshot, freeze, replay_table
from clickhouse.thinning import Counts, count_by_time
from ml.contract import FEATURES, REGIMES
from ml.data.reading import read_labels
from ml.data.samples import Samples
from ml.errors import ModelError
from ml.json_files import as_json, read_object
from ml.registry.store import Folder, Store
from ml.replay.findings import age_costs, compare_rules, gate_stops, kept_promises
from ml.replay.fitting import Source, fit_sundays, read_fit
from ml.replay.page import PAGE, RESULT, replay_page, sentences
from ml.replay.plan import Gate, Plan, sundays
from ml.replay.rules import History, Rule
from ml.replay.timeline import candidate_of, count_before, timeline, told_of, weeks_after
from ml.replay.walking import Step, walk
from ml.training.metrics import source_commit

log = logging.getLogger(__name__)


_UNFINISHED: Final = ".unfinished"
_PLAN: Final = f"{_UNFINISHED}/plan.json"
_AT_ONCE: Final = 1_000_000
"""As many rows are read at once to be predicted: a run trains on no more."""


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

    Rows that it has frozen itself go when it is finished.

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
    place = Folder(folder)
    told = {**plan.to_dict(), "gate": gate is not None, "git_commit": source_commit()}
    # As it is read again.
    told = read_object(as_json(told)) or {}
    finished, begun = (read_object(place.read(name)) for name in (RESULT, _PLAN))
    if finished:
        of_these = {"fingerprint": snapshot.fingerprint} if snapshot else {}
        _require_same(folder, finished["replayed"], told | of_these)
        return finished
    rows = snapshot or _frozen(engine, folder, database, begun=begun is not None)
    told |= {"fingerprint": rows.fingerprint}
    counts = count_by_time(engine, rows, REGIMES)
    before = _sundays(counts, plan)
    if begun:
        _require_same(folder, begun, told)
    else:
        place.write(_PLAN, as_json(told))
    store = Folder(folder / _UNFINISHED)
    source = Source(engine, rows, gate, _edges(counts))
    fit_sundays(source, plan, store, before)
    walks = {answer: walk(source, plan, store, list(before), answer) for answer in plan.answers}
    samples = read_labels(engine, rows)
    found = {"replayed": told, **_findings(plan, samples, store, list(before), walks)}
    found["says"] = list(sentences(found))
    place.write(PAGE, replay_page(found))
    place.write(RESULT, as_json(found))
    place.remove_folder(_UNFINISHED)
    if snapshot is None:
        drop(engine, rows)
    return found


def _frozen(engine: Engine, folder: Path, database: str | None, *, begun: bool) -> Snapshot:
    """What this replay has frozen already, or all that is labelled now."""
    of = f"replay__{folder.resolve()}"
    name = replay_table(of)
    if begun:
        with suppress(ClickHouseRefused):
            return find_snapshot(engine, f"{database}.{name}" if database else name)
    return freeze(engine, of, FEATURES, database=database, table=name)


def _edges(counts: Counts) -> Sequence[np.datetime64]:
    total = np.cumsum(counts.rows.sum(axis=1))
    return list(counts.timestamps[np.flatnonzero(np.diff(total // _AT_ONCE))])


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


def _require_same(folder: Path, begun: dict[str, Any], told: dict[str, Any]) -> None:
    other = [key for key, value in told.items() if begun.get(key) != value]
    if other:
        raise ModelError(
            f"{folder} holds a replay of another {', '.join(other)}", "choose another folder"
        )


def _findings(
    plan: Plan,
    samples: Samples,
    store: Store,
    days: Sequence[datetime],
    walks: dict[str, list[Step]],
) -> dict[str, Any]:
    answer, steps = next(iter(walks.items()))
    moments, sundays_, candidates = samples.timestamps, [], []
    # One after the other: what is kept of all weeks is small.
    for day, step in zip(days, steps, strict=True):
        fit = read_fit(store, day)
        sundays_.append(told_of(day, fit))
        candidates.append(candidate_of(moments, plan.known_before(day), fit, step))
    history = History(samples, weeks_after(moments, days), candidates)
    found = {
        "sundays": sundays_,
        "timelines": {key: timeline(history, of) for key, of in walks.items()},
        "age": age_costs(history),
        "promises": kept_promises(history),
        "data_gate": gate_stops([line["stopped_by"] for line in sundays_]),
    }
    trained = [k for k, candidate in enumerate(history.candidates) if candidate]
    first = next((k for k, step in enumerate(steps) if step.live is not None), None)
    if trained:
        first = trained[0] if first is None else first
        compared = compare_rules(history, Rule(plan.thresholds, answer), first)
        found |= {"rules_from": days[first].isoformat(), **compared}
    return found
