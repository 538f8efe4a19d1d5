"""From samples to a candidate: splits, fits, exports, checks and measures.

What a candidate is made of is in the other modules; where it is kept is in `ml.registry.models`,
and who judges it in `ml.evaluation.validation`.
"""

import hashlib
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from ml.data.profile import input_drift, profile_of
from ml.data.samples import Samples
from ml.data.split import TimeSplit, require_two_regimes, split_at, split_by_time
from ml.errors import decoration
from ml.evaluation.diagnostics import impurity_importances
from ml.evaluation.promotion import PromotionThresholds
from ml.json_files import as_json
from ml.registry.names import METRICS_FILE, MODEL_FILE
from ml.report.pages import report_files
from ml.training.ablation import lose_groups
from ml.training.acceptance import accept_file
from ml.training.cluster import spread
from ml.training.cross_validation import CrossValidation, cross_validate_in_time
from ml.training.curve import learning_curve
from ml.training.export import export_forest, with_metadata
from ml.training.forest import TrainingOptions, fit_forest
from ml.training.golden_rows import golden_rows
from ml.training.metrics import Provenance, facts_of, measure_file, onnx_metadata, settings_of
from ml.training.suspects import find_suspects

log = logging.getLogger(__name__)

_COMPARED_ROWS: Final = 50_000
"""As many rows of the holdout are asked of both file and forest if there are more."""


@dataclass(frozen=True)
class BuiltCandidate:
    """A trained model that is not kept anywhere yet.

    Attributes:
        model: content of the ONNX file.
        metrics: content of `metrics.json`, JSON-safe.
        sha256: hex digest of the model.
    """

    model: bytes
    metrics: dict[str, Any]
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
    min_accuracy: float = PromotionThresholds.min_accuracy,
    explain: bool = True,
) -> BuiltCandidate:
    """Splits, fits, exports, checks the file and measures it; progress goes to the log.

    Args:
        samples: every labelled sample of the snapshot, or a part that says what it is a part of.
        options: how to grow the forest.
        holdout_fraction: newest share kept for the verdict, between 0 and 1.
        embargo: gap between training and holdout.
        provenance: where the samples come from.
        scheduler: address of the Dask cluster that grows the forests; None: on this machine.
        min_accuracy: floor of the rule; the file says from which confidence on it is reached, and
            the learning curve how many labels would reach it.
        explain: whether to say also what each group of features is worth, what more labels would
            gain and which look wrong; the file is the same without.

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
    settings = settings_of(options, holdout_fraction, embargo, min_accuracy)
    metrics = {
        **measure_file(bare, samples, split, min_accuracy),
        **cv.to_dict(),
        **facts_of(samples, split, settings, provenance),
        "feature_importances": impurity_importances(forest),
        "drift": input_drift(train, holdout),
        "profile": profile_of(train),
    }
    if explain:
        with decoration("What each group of features is worth"):
            metrics["feature_groups"] = lose_groups(train, options, embargo)
        accuracy = metrics["test_accuracy"]
        metrics |= told_of_labels(samples, split, cv, options, embargo, accuracy, min_accuracy)
    model = with_metadata(bare, onnx_metadata(metrics, golden_rows(bare, samples)))
    metrics["latency_ms"] = accept_file(model, forest, holdout.at_most(_COMPARED_ROWS).features)
    metrics["model_sha256"] = hashlib.sha256(model).hexdigest()
    metrics["forest_sha256"] = hashlib.sha256(bare).hexdigest()
    log.info("Exported %d bytes, which answer like the forest in another process", len(model))
    return BuiltCandidate(model, metrics, metrics["model_sha256"])


def told_of_labels(  # noqa: PLR0913, PLR0917 - what a run has made already
    samples: Samples,
    split: TimeSplit,
    cv: CrossValidation,
    options: TrainingOptions,
    embargo: timedelta,
    accuracy: float,
    floor: float,
) -> dict[str, Any]:
    """Whether more labels would help, and which look wrong; neither ever fails a training."""
    told: dict[str, Any] = {}
    log.info("Asking what more labels would gain, and which look wrong")
    with decoration("The learning curve"):
        curve = learning_curve(samples, split, cv, options, accuracy, floor)
        told["learning_curve"] = curve.to_dict()
    with decoration("The list of labels that look wrong"):
        told["suspects"] = find_suspects(samples, options, embargo).to_dict()
    return told
