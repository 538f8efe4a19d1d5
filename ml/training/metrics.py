"""Measures a candidate, and gathers what is kept: `metrics.json` and the ONNX file's metadata.

The metadata hold nothing that differs between two runs of the same code on the same data, so these
give the same bytes; run, snapshot and times are in `metrics.json` only. The profile of the training
rows, with which the data gate compares later ones, is in both: a file whose `metrics.json` is lost
is still compared with.
"""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.contract import FEATURES, REGIMES
from ml.data.samples import Samples, utc
from ml.data.split import TimeSplit
from ml.evaluation.diagnostics import permutation_importances, predict_simply
from ml.evaluation.scores import accuracy_by_confidence, evaluate, measure_confidence, most_frequent
from ml.evaluation.slices import (
    accuracy_at_changes,
    accuracy_by_symbol,
    accuracy_of_newest,
    accuracy_over_time,
    strips,
    worst_errors,
)
from ml.evaluation.statistics import bootstrap_interval, prediction_interval
from ml.evaluation.switching import measure_switching
from ml.golden import KEY as GOLDEN
from ml.golden import Golden
from ml.onnx_model import load_model, score
from ml.training.forest import ORDER_OF_WORK, TrainingOptions
from ml.versions import versions

_MEASURED = (
    "test_accuracy",
    "train_accuracy",
    "cv_accuracy",
    "cv_std",
    "balanced_accuracy",
    "macro_f1",
    "log_loss",
    "majority_accuracy",
)
_AS_THEY_ARE = (
    "data_fingerprint",
    "train_start",
    "train_end",
    "holdout_start",
    "holdout_end",
)
_AS_JSON = (
    *("total_samples", "train_samples", "holdout_samples", "class_counts", "versions"),
    *("profile", "accuracy_by_confidence"),
)


@dataclass(frozen=True)
class Provenance:
    """Where a candidate comes from.

    Attributes:
        run_id: the run that trains it.
        snapshot_table: the frozen table its samples were read from.
        data_fingerprint: names the content of that table.
        trained_at: now, with a time zone.
        git_commit: of the code that trains it; None if it is not known.
        platform: versions of the programs around it, by name.
    """

    run_id: str
    snapshot_table: str
    data_fingerprint: str
    trained_at: datetime
    git_commit: str | None = None
    platform: Mapping[str, str] = field(default_factory=dict)


def facts_of(
    samples: Samples, split: TimeSplit, settings: Mapping[str, Any], provenance: Provenance
) -> dict[str, Any]:
    """What is known of a candidate before anything is measured, by its name in `metrics.json`."""
    train, holdout = samples.rows(split.training), samples.rows(split.holdout)
    whole = samples.population
    return {
        "production_accuracy": None,
        "total_samples": whole.samples if whole else len(samples),
        "train_samples": len(train),
        "train_samples_available": whole.train_samples if whole else len(train),
        "holdout_samples": len(holdout),
        "embargoed_samples": split.embargoed_samples,
        **{
            f"{part}_{name}": count
            for part, rows in (("train", train), ("holdout", holdout))
            for name, count in asdict(rows.coverage()).items()
        },
        "class_counts": dict(whole.class_counts) if whole else samples.class_counts(),
        "train_class_counts": train.class_counts(),
        "holdout_class_counts": holdout.class_counts(),
        "train_start": utc(train.timestamps[0]).isoformat(),
        "train_end": utc(train.timestamps[-1]).isoformat(),
        "holdout_start": utc(holdout.timestamps[0]).isoformat(),
        "holdout_end": utc(holdout.timestamps[-1]).isoformat(),
        **asdict(provenance),
        "trained_at": provenance.trained_at.astimezone(UTC).isoformat(timespec="seconds"),
        "deployed_at": None,
        "decision": None,
        "settings": dict(settings),
        "versions": versions(),
    }


def settings_of(
    options: TrainingOptions, holdout_fraction: float, embargo: timedelta, min_accuracy: float
) -> dict[str, Any]:
    """What a training can be repeated with."""
    return {
        **asdict(options),
        "holdout_fraction": holdout_fraction,
        "embargo_hours": embargo / timedelta(hours=1),
        "min_accuracy": min_accuracy,
    }


def onnx_metadata(metrics: Mapping[str, Any], golden: Golden) -> dict[str, str]:
    """The metadata of the ONNX file: text by name, nested values as JSON with sorted keys."""
    settings = metrics["settings"].items()
    nested = {
        **{name: metrics[name] for name in _AS_JSON},
        "metrics": {name: metrics[name] for name in _MEASURED},
        "settings": {name: value for name, value in settings if name not in ORDER_OF_WORK},
    }
    return {
        "features": json.dumps(FEATURES),
        "labels": json.dumps(REGIMES),
        "git_commit": metrics["git_commit"] or "unknown",
        "seed": str(metrics["settings"]["seed"]),
        **{name: metrics[name] for name in _AS_THEY_ARE},
        **{name: _compact(value) for name, value in nested.items()},
        GOLDEN: _compact(asdict(golden)),
    }


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


_TRAINING_ROWS: Final = 20_000
"""As many training rows are scored if there are more: they decide nothing."""


def measure_file(
    model: bytes, samples: Samples, split: TimeSplit, min_accuracy: float
) -> dict[str, Any]:
    """Scores a file as the application would use it; the same file and rows give the same numbers.

    Args:
        model: the exported file.
        samples: every labelled sample.
        split: which of them it was trained on, and which are to judge it.
        min_accuracy: floor of the rule, for the confidence from which on it is reached.

    Returns:
        Numbers by their name in `metrics.json`, JSON-safe.
    """
    session = load_model(model)
    train, holdout = samples.rows(split.training), samples.rows(split.holdout)
    some = train.at_most(_TRAINING_ROWS)
    trained = evaluate(some.labels, score(session, some.features)[0])
    labels, probabilities = score(session, holdout.features)
    right = labels == holdout.labels
    scores = evaluate(holdout.labels, labels)
    confidence = measure_confidence(holdout.labels, probabilities)
    simple = predict_simply(samples, split.training, split.holdout)
    simply_right = {name: y_pred == holdout.labels for name, y_pred in simple.items()}
    baselines = {name: float(np.mean(also)) for name, also in simply_right.items()}
    return {
        "test_accuracy": scores.accuracy,
        "accuracy_interval": prediction_interval(right, holdout.timestamps),
        "train_accuracy": trained.accuracy,
        "balanced_accuracy": scores.balanced_accuracy,
        "macro_f1": scores.macro_f1,
        "log_loss": confidence.log_loss,
        "calibration_error": confidence.calibration_error,
        "majority_accuracy": baselines["most_frequent"],
        "majority_regime": most_frequent(train.class_counts()),
        "baselines": baselines,
        "simpler_as_good": [
            name
            for name in ("linear", "stump")
            if not _is_better(right, simply_right[name], holdout.timestamps)
        ],
        "regimes": [asdict(regime) for regime in scores.regimes],
        "confusion_matrix": [list(row) for row in scores.confusion],
        "per_symbol": accuracy_by_symbol(holdout, right),
        "accuracy_over_time": accuracy_over_time(holdout, right),
        "accuracy_at_changes": accuracy_at_changes(holdout, right),
        "accuracy_of_newest": accuracy_of_newest(holdout, right),
        "worst_errors": worst_errors(holdout, labels, probabilities),
        "strips": strips(holdout, labels),
        "switching": asdict(measure_switching(holdout, labels)),
        "accuracy_by_confidence": asdict(
            accuracy_by_confidence(holdout.labels, probabilities, holdout.timestamps, min_accuracy)
        ),
        "calibration_bins": [asdict(row) for row in confidence.bins],
        "permutation_importances": permutation_importances(session, holdout),
    }


def _is_better(
    right: NDArray[np.bool_], other: NDArray[np.bool_], timestamps: NDArray[np.datetime64]
) -> bool:
    """Whether one model is predicted rows correctly more often than another beyond chance."""
    lead = right.astype(float) - other
    interval = bootstrap_interval(lead, timestamps)
    return bool(lead.mean() > 0 if interval is None else interval[0] > 0)


_REPOSITORY: Final = Path(__file__).resolve().parents[2]
_COMMIT_FILE: Final = ".commit"
"""Written when an image is built, because an image has no history."""


def source_commit(repository: Path = _REPOSITORY) -> str | None:
    """The commit of a checkout, with `-dirty` behind it if tracked files were changed.

    Args:
        repository: the checkout, or a copy of one that has the commit in a file `.commit`.

    Returns:
        40 hex digits and perhaps `-dirty`; None if it is not known, such as outside a checkout.
    """
    written = repository / _COMMIT_FILE
    try:
        if written.is_file():
            return written.read_text(encoding="ascii").strip() or None
        if not (repository / ".git").exists():
            return None
        told = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],  # noqa: S607
            cwd=repository,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        # Without git, or where git does not trust the folder's owner, nobody can tell.
        return None
    return told.stdout.strip() or None
