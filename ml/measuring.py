"""Measures an exported file on the rows it was trained on and on those kept from it."""

from dataclasses import asdict
from typing import Any, Final

from ml.baselines import baseline_accuracies
from ml.confidence import measure_confidence
from ml.evaluation import evaluate, most_frequent
from ml.importance import permutation_importances
from ml.onnx_model import load_model, score
from ml.samples import Samples
from ml.significance import prediction_interval
from ml.slices import accuracy_by_symbol, accuracy_over_time
from ml.split import TimeSplit

_TRAINING_ROWS: Final = 20_000
"""As many training rows are scored if there are more: they decide nothing."""


def measure_file(model: bytes, samples: Samples, split: TimeSplit) -> dict[str, Any]:
    """Scores a file as the application would use it; the same file and rows give the same numbers.

    Args:
        model: the exported file.
        samples: every labelled sample.
        split: which of them it was trained on, and which are to judge it.

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
    baselines = baseline_accuracies(samples, split.training, split.holdout)
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
        "regimes": [asdict(regime) for regime in scores.regimes],
        "confusion_matrix": [list(row) for row in scores.confusion],
        "per_symbol": accuracy_by_symbol(holdout, right),
        "accuracy_over_time": accuracy_over_time(holdout, right),
        "calibration_bins": [asdict(row) for row in confidence.bins],
        "permutation_importances": permutation_importances(session, holdout),
    }
