"""What is kept about a candidate: `metrics.json` of the registry and the ONNX file's metadata.

The metadata hold nothing that differs between two runs of the same code on the same data, so these
give the same bytes; run, snapshot and times are in `metrics.json` only. The profile of the training
rows, with which the data gate compares later ones, is in both: a file whose `metrics.json` is lost
is still compared with.
"""

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

from ml.contract import FEATURES, REGIMES
from ml.samples import Samples, utc
from ml.split import TimeSplit
from ml.training import ORDER_OF_WORK, TrainingOptions

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
    "profile",
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
    """

    run_id: str
    snapshot_table: str
    data_fingerprint: str
    trained_at: datetime
    git_commit: str | None = None


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
        "comparison": None,
        "settings": dict(settings),
        "versions": versions(),
    }


def settings_of(
    options: TrainingOptions, holdout_fraction: float, embargo: timedelta
) -> dict[str, Any]:
    """What a training can be repeated with."""
    return {
        **asdict(options),
        "holdout_fraction": holdout_fraction,
        "embargo_hours": embargo / timedelta(hours=1),
    }


def onnx_metadata(metrics: Mapping[str, Any]) -> dict[str, str]:
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
        **{name: json.dumps(value, sort_keys=True) for name, value in nested.items()},
    }


def versions() -> dict[str, str]:
    """Versions of what decides how a file comes out and what it answers."""
    packages = ("numpy", "onnx", "onnxruntime", "scikit-learn", "skl2onnx")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
