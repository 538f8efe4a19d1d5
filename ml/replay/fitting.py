"""Trains the candidate of every Sunday, once; each one that is done is kept in a folder.

A candidate does not depend on what is in production, so they are trained side by side where rows
are few, and each one by itself on all cores where they are many. Nothing here decides.
"""

import io
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sqlalchemy import Engine

from clickhouse.snapshot import Snapshot, earlier_part
from ml.data.reading import read_rows_since, read_training_rows
from ml.data.samples import Samples, moment_of
from ml.errors import ModelError
from ml.json_files import as_json, read_object
from ml.onnx_model import load_model, score
from ml.registry.names import METRICS_FILE, MODEL_FILE
from ml.registry.store import Store
from ml.replay.plan import Gate, Plan
from ml.training.candidate import BuiltCandidate, build_candidate
from ml.training.metrics import Provenance, source_commit

log = logging.getLogger(__name__)

_PREDICTED_FILE: Final = "predicted.npy"
_SIDE_BY_SIDE: Final = 100_000
"""With more rows than this, two trainings at once would need the memory of two."""


@dataclass(frozen=True)
class Fit:
    """What came of one Sunday's training.

    Attributes:
        stopped_by: rules of the data gate that let nothing through.
        problem: why there is no candidate; None if there is one.
        metrics: content of `metrics.json`, not judged.
        predicted: index into `REGIMES` that the model names for each row, from its holdout's first
            row on to the newest there is, uint8 `[n]`.
    """

    stopped_by: tuple[str, ...] = ()
    problem: str | None = None
    metrics: Mapping[str, Any] | None = None
    predicted: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Source:
    """Where rows come from.

    Attributes:
        engine: on the server.
        rows: all that are known today.
        gate: judges a Sunday's part of them.
        edges: moments between which there are as many rows as are read at once, rising.
    """

    engine: Engine
    rows: Snapshot
    gate: Gate | None = None
    edges: Sequence[np.datetime64] = ()


def fit_sundays(
    source: Source, plan: Plan, store: Store, rows_before: Mapping[datetime, int]
) -> None:
    """Trains what is not trained yet; progress goes to the log.

    Args:
        source: the rows.
        plan: how to train.
        store: where each Sunday is kept; what a killed replay has kept there is not done again.
        rows_before: the Sundays, and how many rows each one may see.
    """
    open_ = [sunday for sunday in rows_before if store.read(_name(sunday, "fit.json")) is None]
    if len(open_) < len(rows_before):
        log.info("%d Sundays are trained already", len(rows_before) - len(open_))
    many = source.rows.rows > _SIDE_BY_SIDE
    at_once = 1 if many else os.cpu_count() or 1
    if at_once > 1:
        # Does not change a forest.
        plan = replace(plan, options=replace(plan.options, n_jobs=1))
    began, rows = time.monotonic(), 0
    for first in range(0, len(open_), at_once):
        batch = open_[first : first + at_once]
        for sunday, files in zip(batch, _fit(source, plan, batch), strict=True):
            store.write_folder(f"{sunday:%Y-%m-%d}", files)
        rows += sum(rows_before[sunday] for sunday in batch)
        left = sum(rows_before[sunday] for sunday in open_[first + at_once :])
        seconds = (time.monotonic() - began) * left / max(rows, 1)
        done = len(rows_before) - len(open_) + first + len(batch)
        told = "the last one" if not left else f"about {_minutes(seconds)} left"
        log.info("Trained Sunday %d of %d, %s", done, len(rows_before), told)


def read_fit(store: Store, sunday: datetime) -> Fit:
    """What is kept of a Sunday, but for the model, which may be large."""
    told = read_object(store.read(_name(sunday, "fit.json"))) or {}
    stopped_by, problem = tuple(told["stopped_by"]), told["problem"]
    if problem is not None:
        return Fit(stopped_by, problem)
    predicted = store.read(_name(sunday, _PREDICTED_FILE)) or b""
    metrics = read_object(store.read(_name(sunday, METRICS_FILE)))
    return Fit(stopped_by, None, metrics, np.load(io.BytesIO(predicted)))


def read_model(store: Store, sunday: datetime) -> bytes:
    """The file of a Sunday's candidate."""
    return store.read(_name(sunday, MODEL_FILE)) or b""


def run_id_of(sunday: datetime) -> str:
    """What a replayed run is called."""
    return f"replay__{sunday.isoformat()}"


def _fit(source: Source, plan: Plan, batch: Sequence[datetime]) -> Iterator[dict[str, bytes]]:
    read = [_read(source, plan, sunday) for sunday in batch]
    # In this very process if there is one.
    built = Parallel(n_jobs=len(batch))(delayed(_build)(plan, *given) for given, _ in read)
    for found, (_, stopped_by) in zip(built, read, strict=True):
        if isinstance(found, str):
            yield _files(Fit(stopped_by, found))
            continue
        predicted = _predict(source, found.model, moment_of(found.metrics["holdout_start"]))
        yield _files(Fit((), None, found.metrics, predicted), found.model)


def _predict(source: Source, model: bytes, since: np.datetime64) -> NDArray[np.uint8]:
    """What a model names for all rows from a moment on."""
    session, later = load_model(model), [edge for edge in source.edges if edge > since]
    parts = [
        score(session, read_rows_since(source.engine, source.rows, start, end).features)[0]
        for start, end in zip([since, *later], [*later, None], strict=True)
    ]
    return np.concatenate(parts, dtype=np.uint8, casting="unsafe")


def _read(
    source: Source, plan: Plan, sunday: datetime
) -> tuple[tuple[Samples | str, Provenance], tuple[str, ...]]:
    """The rows of a Sunday, or why there are none; and the gate's rules that stop it."""
    with earlier_part(source.engine, source.rows, plan.known_before(sunday)) as part:
        commit, name = source_commit(), source.rows.name
        provenance = Provenance(run_id_of(sunday), name, part.fingerprint, sunday, commit)
        stopped_by = source.gate(source.engine, part, sunday) if source.gate else ()
        if stopped_by:
            return (f"the data gate stops it: {'; '.join(stopped_by)}", provenance), stopped_by
        cut, most = (plan.holdout_fraction, plan.embargo), plan.options.max_train_rows
        try:
            return (read_training_rows(source.engine, part, *cut, most), provenance), ()
        except ModelError as error:
            return (str(error), provenance), ()


def _build(plan: Plan, samples: Samples | str, provenance: Provenance) -> BuiltCandidate | str:
    """The candidate, or why there is none."""
    if isinstance(samples, str):
        return samples
    try:
        return build_candidate(
            samples,
            plan.options,
            plan.holdout_fraction,
            plan.embargo,
            provenance,
            min_accuracy=plan.thresholds.min_accuracy,
            explain=False,
        )
    except ModelError as error:
        return str(error)


def _files(fit: Fit, model: bytes = b"") -> dict[str, bytes]:
    told = as_json({"stopped_by": list(fit.stopped_by), "problem": fit.problem})
    if fit.metrics is None or fit.predicted is None:
        return {"fit.json": told}
    predicted = io.BytesIO()
    np.save(predicted, fit.predicted)
    kept = {MODEL_FILE: model, METRICS_FILE: as_json(fit.metrics)}
    return {"fit.json": told, **kept, _PREDICTED_FILE: predicted.getvalue()}


def _name(sunday: datetime, file: str) -> str:
    return f"{sunday:%Y-%m-%d}/{file}"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"
