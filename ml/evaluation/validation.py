"""Validates a candidate: scores it and production on the holdout, and keeps the verdict.

The rule is in `ml.evaluation.promotion`. Nothing here trains, so nothing of scikit-learn is loaded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from ml.contract import REGIMES
from ml.data.samples import Samples, moment_of, utc
from ml.errors import ModelBroken
from ml.evaluation.comparison import score_on_holdout
from ml.evaluation.promotion import Decision, PromotionThresholds, decide
from ml.evaluation.slices import accuracy_over_time, recall_against
from ml.json_files import as_json
from ml.onnx_model import check_contract, load_model
from ml.registry.hold import held
from ml.registry.models import (
    Candidate,
    ModelsDir,
    Production,
    backup_names,
    candidate_folders,
    metrics_in,
    open_store,
    read_candidate,
    read_history,
    read_production,
    update_candidate,
)
from ml.registry.names import METRICS_FILE, PRODUCTION, PRODUCTION_METRICS
from ml.registry.store import Store
from ml.report.pages import report_files
from ml.versions import differing_versions
from ml.words import baseline, percent

_FEW_SAMPLES: Final = 10
"""Of a regime with fewer training samples, a forest knows next to nothing."""


def judge_candidate(  # noqa: PLR0913, PLR0917 - all of them are facts about the run
    models_dir: ModelsDir,
    run_id: str,
    samples: Samples,
    thresholds: PromotionThresholds,
    former_place: str | None = None,
    change: Mapping[str, Any] | None = None,
) -> Decision:
    """Decides whether a run's candidate may replace production, and writes that into its files.

    Args:
        models_dir: MODELS_DIR.
        run_id: whose candidate.
        samples: the same samples it was built from.
        thresholds: what the promotion rule asks for.
        former_place: address of the production file of the last deployment, if that is known.
        change: what changes on unlabelled rows, see `compare_answers`; it decides nothing.

    Raises:
        ModelBroken: if the candidate is missing, was changed, or was built from other samples. A
            broken production model is no error but a note of the decision.
    """
    candidate = read_candidate(models_dir, run_id)
    name = f"candidate of run {run_id}"
    session = load_model(candidate.model, name)
    check_contract(session, name)
    holdout = _holdout(candidate, samples)
    production = read_production(models_dir)
    content = production.model if production else None
    majority = str(candidate.metrics["majority_regime"])
    scored = score_on_holdout(holdout, session, content, majority, thresholds.decision_costs)
    cv = candidate.metrics.get("cv_interval")
    evidence = replace(
        scored.evidence,
        cv_interval=cv and (cv[0], cv[1]),
        notes=(*scored.evidence.notes, *_notes(candidate, production)),
        doubts=(
            *scored.evidence.doubts,
            *odd_place(models_dir, former_place),
            *held(models_dir, candidate.sha256),
        ),
    )
    decision = decide(evidence, thresholds)
    told = decision.to_dict()
    both = scored.candidate_correct, scored.compared, scored.production_correct
    metrics = candidate.metrics | {
        "change": change,
        "recall_against_production": recall_against(holdout, *both),
        "decision": told,
        "production_accuracy": told["production_accuracy"],
        "production_sha256": production.sha256 if production else None,
        "accuracy_over_time": accuracy_over_time(holdout, *both),
    }
    files = {METRICS_FILE: as_json(metrics), **report_files(metrics)}
    update_candidate(models_dir, run_id, files)
    return decision


def _notes(candidate: Candidate, production: Production | None) -> Iterator[str]:
    """What a reader must know of a candidate beside what was counted."""
    metrics = candidate.metrics
    yield from _hardly_predicted(metrics["train_class_counts"])
    for name in metrics.get("simpler_as_good", ()):
        accuracy = metrics["baselines"].get(name)
        yield f"{baseline(name)} is as good within chance: {percent(accuracy)}"
    if production is None:
        return
    if production.sha256 == candidate.sha256:
        yield "this very model is in production already"
    changed = differing_versions(production.metrics or {}, metrics)
    if changed:
        told = ", ".join(f"{name} {change}" for name, change in changed.items())
        yield f"versions have changed since production was trained: {told}"


def _hardly_predicted(train_counts: Mapping[str, Any]) -> Iterator[str]:
    """Regimes that the forest could not learn."""
    few = [
        f"{regime} ({train_counts[regime] or 'no'} training samples)"
        for regime in REGIMES
        if train_counts[regime] < _FEW_SAMPLES
    ]
    if few:
        yield f"these regimes can hardly be predicted: {', '.join(few)}"


def _holdout(candidate: Candidate, samples: Samples) -> Samples:
    """The rows kept from training, which must be those the candidate speaks of."""
    start, expected = candidate.metrics["holdout_start"], candidate.metrics["holdout_samples"]
    first = int(np.searchsorted(samples.timestamps, moment_of(start), side="left"))
    holdout = samples.rows(slice(first, len(samples)))
    if len(holdout) != expected or utc(holdout.timestamps[0]).isoformat() != start:
        problem = f"it has {expected} holdout rows from {start}, but {len(holdout)} are given now"
        raise ModelBroken(
            f"candidate of run {candidate.run_id}",
            (problem,),
            "clear the run from check_data on, so that all tasks read the same snapshot",
        )
    return holdout


def odd_place(models_dir: ModelsDir, former_place: str | None = None) -> Iterator[str]:
    """Says what is odd about the place of production, so that a person decides.

    `former_place` is the address that the last deployment wrote; None if not known.
    """
    store = open_store(models_dir)
    place = store.where(PRODUCTION)
    if former_place and former_place != place:
        yield f"MODELS_DIR has changed: it names {place}, the last deployment wrote {former_place}"
    traces = [] if store.digest(PRODUCTION) else list(_traces(store))
    if traces:
        yield (
            f"there is no production model at {place}, but {' and '.join(traces)} in the same "
            "place: it was moved or deleted, which a first deployment would hide"
        )


def _traces(store: Store) -> Iterator[str]:
    """What a place has in which a model was in production once."""
    backups = backup_names(store)
    if backups:
        yield f"{len(backups)} backups"
    if store.read(PRODUCTION_METRICS) is not None:
        yield PRODUCTION_METRICS
    candidates = (metrics_in(store, folder) or {} for folder in candidate_folders(store))
    runs = (*read_history(store), *candidates)
    if any(run.get("deployed_at") for run in runs):
        yield "runs that were deployed"
