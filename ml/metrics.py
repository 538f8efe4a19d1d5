"""What is kept about a candidate: `metrics.json` of the registry and the ONNX file's metadata.

The metadata hold nothing that differs between two runs on the same data, so these give the same
bytes; run, snapshot and times are in `metrics.json` only. So is the profile of the training rows,
with which the data gate compares later ones: the application, which loads the file, has no use for
it.
"""

import json
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

from sklearn.ensemble import RandomForestClassifier

from ml.contract import FEATURES, REGIMES
from ml.evaluation import Scores, count_of, most_frequent
from ml.profile import profile_of
from ml.samples import Samples, utc
from ml.split import TimeSplit
from ml.training import CrossValidation, TrainingOptions

_IN_THE_FILE = (
    "test_accuracy",
    "train_accuracy",
    "cv_accuracy",
    "cv_std",
    "balanced_accuracy",
    "macro_f1",
    "majority_accuracy",
)
_WINDOWS = ("train_start", "train_end", "holdout_start", "holdout_end")


@dataclass(frozen=True)
class Provenance:
    """Where a candidate comes from.

    Attributes:
        run_id: the run that trains it.
        snapshot_table: the frozen table its samples were read from.
        data_fingerprint: names the content of that table.
        trained_at: now, with a time zone.
    """

    run_id: str
    snapshot_table: str
    data_fingerprint: str
    trained_at: datetime


@dataclass(frozen=True)
class Measured:
    """What was measured of a forest; train and holdout through its exported file."""

    train: Scores
    holdout: Scores
    cv: CrossValidation


def metrics_of(
    samples: Samples, split: TimeSplit, measured: Measured, forest: RandomForestClassifier
) -> dict[str, Any]:
    """The numbers and windows of a candidate; the same data give the same dict."""
    train, holdout = samples.rows(split.training), samples.rows(split.holdout)
    majority = most_frequent(train.class_counts())
    majority_correct = count_of(holdout.labels, majority)
    importances = zip(FEATURES, forest.feature_importances_.tolist(), strict=True)
    return {
        "test_accuracy": measured.holdout.accuracy,
        "train_accuracy": measured.train.accuracy,
        "cv_accuracy": measured.cv.mean,
        "cv_std": measured.cv.std,
        "cv_accuracies": list(measured.cv.accuracies),
        "balanced_accuracy": measured.holdout.balanced_accuracy,
        "macro_f1": measured.holdout.macro_f1,
        "majority_accuracy": majority_correct / len(holdout),
        "majority_regime": majority,
        "production_accuracy": None,
        "total_samples": len(samples),
        "train_samples": len(train),
        "holdout_samples": len(holdout),
        "embargoed_samples": split.embargoed_samples,
        "class_counts": samples.class_counts(),
        "train_class_counts": train.class_counts(),
        "holdout_class_counts": holdout.class_counts(),
        "train_start": utc(train.timestamps[0]).isoformat(),
        "train_end": utc(train.timestamps[-1]).isoformat(),
        "holdout_start": utc(holdout.timestamps[0]).isoformat(),
        "holdout_end": utc(holdout.timestamps[-1]).isoformat(),
        "regimes": [asdict(regime) for regime in measured.holdout.regimes],
        "confusion_matrix": [list(row) for row in measured.holdout.confusion],
        "feature_importances": dict(sorted(importances, key=lambda pair: -pair[1])),
        "profile": profile_of(train),
        "versions": versions(),
    }


def onnx_metadata(metrics: dict[str, Any], data_fingerprint: str) -> dict[str, str]:
    """The metadata of the ONNX file: text by name, nested values as JSON with sorted keys."""
    nested = {
        "metrics": {name: metrics[name] for name in _IN_THE_FILE},
        "class_counts": metrics["class_counts"],
        "versions": metrics["versions"],
    }
    return {
        "features": json.dumps(FEATURES),
        "labels": json.dumps(REGIMES),
        "data_fingerprint": data_fingerprint,
        "total_samples": str(metrics["total_samples"]),
        "train_samples": str(metrics["train_samples"]),
        **{name: metrics[name] for name in _WINDOWS},
        **{name: json.dumps(value, sort_keys=True) for name, value in nested.items()},
    }


def run_facts(
    provenance: Provenance,
    options: TrainingOptions,
    holdout_fraction: float,
    embargo: timedelta,
    sha256: str,
) -> dict[str, Any]:
    """What `metrics.json` says besides `metrics_of`: the run, its settings, and what is to come."""
    return {
        "model_sha256": sha256,
        "data_fingerprint": provenance.data_fingerprint,
        "snapshot_table": provenance.snapshot_table,
        "run_id": provenance.run_id,
        "trained_at": provenance.trained_at.astimezone(UTC).isoformat(timespec="seconds"),
        "deployed_at": None,
        "decision": None,
        "settings": {
            **asdict(options),
            "holdout_fraction": holdout_fraction,
            "embargo_hours": embargo / timedelta(hours=1),
        },
    }


def versions() -> dict[str, str]:
    """Versions of what decides how a file comes out and what it answers."""
    packages = ("numpy", "onnx", "onnxruntime", "scikit-learn")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
