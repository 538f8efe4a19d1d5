"""From samples to a candidate, and from a candidate to a verdict: the two calls a run makes.

What a candidate is made of is in the other modules; where it is kept is in `ml.registry`, which
also deploys it.
"""

import hashlib
import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np

from ml.acceptance import accept_file
from ml.cluster import spread
from ml.comparison import compare_with_production
from ml.drift import drift_since
from ml.errors import ModelBroken
from ml.importance import impurity_importances
from ml.measuring import measure_file
from ml.metrics import Provenance, facts_of, onnx_metadata, settings_of
from ml.onnx_export import export_forest, with_metadata
from ml.onnx_model import check_contract, load_model
from ml.profile import profile_of
from ml.promotion import Decision, PromotionThresholds, decide
from ml.registry import (
    METRICS_FILE,
    MODEL_FILE,
    Candidate,
    ModelsDir,
    as_json,
    read_candidate,
    read_production,
    update_candidate,
)
from ml.report import text_report
from ml.reports import report_files
from ml.samples import Samples, moment_of, utc
from ml.slices import accuracy_over_time
from ml.split import require_two_regimes, split_at, split_by_time
from ml.training import TrainingOptions, cross_validate_in_time, fit_forest

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BuiltCandidate:
    """A trained model that is not kept anywhere yet.

    Attributes:
        model: content of the ONNX file.
        metrics: content of `metrics.json`, JSON-safe.
        report: the text report.
        sha256: hex digest of the model.
    """

    model: bytes
    metrics: dict[str, Any]
    report: str
    sha256: str

    def files(self) -> dict[str, bytes]:
        """The files the registry keeps, by name."""
        return {
            MODEL_FILE: self.model,
            METRICS_FILE: as_json(self.metrics),
            **report_files(self.metrics),
        }


def build_candidate(  # noqa: PLR0913
    samples: Samples,
    options: TrainingOptions,
    holdout_fraction: float,
    embargo: timedelta,
    provenance: Provenance,
    *,
    scheduler: str | None = None,
) -> BuiltCandidate:
    """Splits, fits, exports, checks the file and measures it; progress goes to the log.

    Args:
        samples: every labelled sample of the snapshot, or a part that says what it is a part of.
        options: how to grow the forest.
        holdout_fraction: newest share kept for the verdict, between 0 and 1.
        embargo: gap between training and holdout.
        provenance: where the samples come from.
        scheduler: address of the Dask cluster that grows the forests; None: on this machine.

    Raises:
        ClusterUnavailable: if that cluster fails.
        TooFewSamples: if the split leaves too little to train on or to judge by.
        ModelBroken: if the exported file does not answer like the forest.
    """
    whole = samples.population
    split = (
        split_at(samples.timestamps, whole.cut, embargo)
        if whole
        else split_by_time(samples.timestamps, holdout_fraction, embargo)
    )
    train, holdout = samples.rows(split.training), samples.rows(split.holdout)
    require_two_regimes(train.labels)
    log.info(
        "Training on %d rows before %s, judging on %d rows, %d rows lie between",
        *(len(train), split.cut, len(holdout), split.embargoed_samples),
    )
    # No further: what opens the file cannot be sent to a worker, and joblib would wait for ever.
    with spread(scheduler):
        forest = fit_forest(train.features, train.labels, options)
        log.info("Grew %d trees; cross-validating in time", options.trees)
        cv = cross_validate_in_time(train, options, embargo)
    log.info("Scoring the exported file")
    bare = export_forest(forest)
    profile = profile_of(train)
    metrics = {
        **measure_file(bare, samples, split),
        **cv.to_dict(),
        **facts_of(samples, split, settings_of(options, holdout_fraction, embargo), provenance),
        "feature_importances": impurity_importances(forest),
        "drift": drift_since(profile, holdout),
        "profile": profile,
    }
    model = with_metadata(bare, onnx_metadata(metrics))
    metrics["latency_ms"] = accept_file(model, forest, holdout.features)
    metrics["model_sha256"] = hashlib.sha256(model).hexdigest()
    metrics["forest_sha256"] = hashlib.sha256(bare).hexdigest()
    log.info("Exported %d bytes, which answer like the forest in another process", len(model))
    return BuiltCandidate(model, metrics, text_report(metrics), metrics["model_sha256"])


def judge_candidate(
    models_dir: ModelsDir, run_id: str, samples: Samples, thresholds: PromotionThresholds
) -> Decision:
    """Decides whether a run's candidate may replace production, and writes that into its files.

    Args:
        models_dir: MODELS_DIR.
        run_id: whose candidate.
        samples: the same samples it was built from.
        thresholds: what the promotion rule asks for.

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
    found = compare_with_production(holdout, session, content, majority)
    evidence = found.evidence
    if production and production.sha256 == candidate.sha256:
        note = "this very model is in production already"
        evidence = replace(evidence, notes=(*evidence.notes, note))
    decision = decide(evidence, thresholds)
    pairs = found.to_dict()
    metrics = candidate.metrics | {
        "decision": decision.to_dict(),
        "comparison": pairs,
        "production_accuracy": pairs and pairs["production_accuracy"],
        "production_sha256": production.sha256 if production else None,
        "accuracy_over_time": accuracy_over_time(
            holdout, found.candidate_right, found.compared, found.production_right
        ),
    }
    files = {METRICS_FILE: as_json(metrics), **report_files(metrics)}
    update_candidate(models_dir, run_id, files)
    return decision


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
