"""The text report of a candidate, made of its metrics alone."""

from collections.abc import Iterator, Mapping
from typing import Any

from ml.contract import REGIMES

_TOP_FEATURES = 8


def text_report(metrics: Mapping[str, Any]) -> str:
    """Renders `metrics.json` for people: verdict first, then what it rests on."""
    sections = (_verdict, _numbers, _regimes, _confusion, _features, _origin)
    return "\n\n".join("\n".join(section(metrics)) for section in sections) + "\n"


def _verdict(metrics: Mapping[str, Any]) -> Iterator[str]:
    yield f"Regime detection model, candidate of run {metrics['run_id']}"
    decision = metrics["decision"]
    if decision is None:
        yield "Verdict: not judged yet"
        return
    yield f"Verdict: {'DEPLOY' if decision['deploy'] else 'DO NOT DEPLOY'}"
    yield from (f"  - {reason}" for reason in decision["reasons"])
    yield from (f"  Note: {note}" for note in decision["notes"])


def _numbers(metrics: Mapping[str, Any]) -> Iterator[str]:
    folds = len(metrics["cv_accuracies"])
    spread = f" ± {metrics['cv_std']:.1%} over {folds} folds in time" if folds else ""
    rows = {
        "accuracy on the holdout": _percent(metrics["test_accuracy"]),
        "balanced accuracy": _percent(metrics["balanced_accuracy"]),
        "macro F1": _percent(metrics["macro_f1"]),
        "accuracy on training rows": _percent(metrics["train_accuracy"]),
        "cross-validation": _percent(metrics["cv_accuracy"]) + spread,
        f"always {metrics['majority_regime']}": _percent(metrics["majority_accuracy"]),
        "production, same rows": _percent(metrics["production_accuracy"]),
    }
    yield from (f"{name:<28}{value}" for name, value in rows.items())


def _regimes(metrics: Mapping[str, Any]) -> Iterator[str]:
    yield f"{'regime':<16}{'precision':>10}{'recall':>10}{'holdout':>10}{'training':>10}"
    for row in metrics["regimes"]:
        name, trained = row["regime"], metrics["train_class_counts"][row["regime"]]
        precision, recall = _percent(row["precision"]), _percent(row["recall"])
        yield f"{name:<16}{precision:>10}{recall:>10}{row['support']:>10}{trained:>10}"


def _confusion(metrics: Mapping[str, Any]) -> Iterator[str]:
    width = max(map(len, REGIMES)) + 1
    yield "Confusion on the holdout (rows: true regime, columns: named regime)"
    yield " " * 16 + "".join(f"{name:>{width}}" for name in REGIMES)
    for name, counts in zip(REGIMES, metrics["confusion_matrix"], strict=True):
        yield f"{name:<16}" + "".join(f"{count:>{width}}" for count in counts)


def _features(metrics: Mapping[str, Any]) -> Iterator[str]:
    yield "Most important features (mean decrease in impurity)"
    top = list(metrics["feature_importances"].items())[:_TOP_FEATURES]
    yield from (f"  {name:<26}{share:>6.1%}" for name, share in top)


def _origin(metrics: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"Training: {metrics['train_samples']} rows, "
        f"{metrics['train_start']} to {metrics['train_end']}"
    )
    yield (
        f"Holdout:  {metrics['holdout_samples']} rows, "
        f"{metrics['holdout_start']} to {metrics['holdout_end']}"
    )
    yield f"Between them {metrics['embargoed_samples']} rows were dropped (embargo)"
    yield f"Snapshot: {metrics['snapshot_table']}, fingerprint {metrics['data_fingerprint']}"
    yield f"Model:    SHA-256 {metrics['model_sha256']}, trained {metrics['trained_at']}"
    yield "Settings: " + ", ".join(f"{key} {value}" for key, value in metrics["settings"].items())
    yield "Versions: " + ", ".join(f"{key} {value}" for key, value in metrics["versions"].items())


def _percent(share: float | None) -> str:
    return "not known" if share is None else f"{share:.1%}"
