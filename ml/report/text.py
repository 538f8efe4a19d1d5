"""The text report of a candidate, made of its metrics alone."""

from collections.abc import Iterator, Mapping
from typing import Any

from ml.contract import REGIMES
from ml.words import percent, points, verdict_of

_TOP_FEATURES = 8


def text_report(metrics: Mapping[str, Any]) -> str:
    """Renders `metrics.json` for people: verdict first, then what it rests on."""
    sections = (_verdict, _change, _numbers, _regimes, _confusion, _features, _labels, _origin)
    parts = ("\n".join(section(metrics)) for section in sections)
    return "\n\n".join(part for part in parts if part) + "\n"


def paired_lines(compared: Mapping[str, Any], names: tuple[str, str]) -> Iterator[str]:
    """What the `comparison` of a decision found row by row, the first name being the candidate's.

    >>> told = {"only_candidate_correct": 9, "only_production_correct": 1, "p_value": 0.0215}
    >>> for line in paired_lines(told | {"difference_interval": (0.01, 0.15)}, ("new", "old")):
    ...     print(line)
    Predicted correctly by new alone: 9 rows, by old alone: 1 rows
    Chance of such a difference between equal models (McNemar, exact): p = 0.021
    95% interval of the difference: +1.0 to +15.0 points
    """
    a, b = compared["only_candidate_correct"], compared["only_production_correct"]
    yield f"Predicted correctly by {names[0]} alone: {a} rows, by {names[1]} alone: {b} rows"
    chance = "Chance of such a difference between equal models (McNemar, exact)"
    yield f"{chance}: p = {compared['p_value']:.2g}"
    if compared["difference_interval"]:
        low, high = map(points, compared["difference_interval"])
        yield f"95% interval of the difference: {low} to {high} points"


def _verdict(metrics: Mapping[str, Any]) -> Iterator[str]:
    yield f"Regime detection model, candidate of run {metrics['run_id']}"
    yield from verdict_lines(metrics["decision"])


def _change(metrics: Mapping[str, Any]) -> Iterator[str]:
    yield from (metrics.get("change") or {}).get("words", ())


def verdict_lines(decision: Mapping[str, Any] | None) -> Iterator[str]:
    """The decision with its reasons and notes, if there is one."""
    if decision is None:
        yield "Verdict: not judged yet"
        return
    yield f"Verdict: {verdict_of({'decision': decision}).title}"
    yield from (f"  - {reason}" for reason in decision["reasons"])
    yield from (f"  Note: {note}" for note in decision["notes"])


def _numbers(metrics: Mapping[str, Any]) -> Iterator[str]:
    folds = len(metrics["cv_accuracies"])
    spread = f" ± {percent(metrics['cv_std'])} over {folds} folds in time" if folds else ""
    interval, compared = metrics["accuracy_interval"], (metrics["decision"] or {}).get("comparison")
    known = f" (95%: {interval[0]:.1%} to {interval[1]:.1%})" if interval else ""
    rows = {
        "accuracy on the holdout": percent(metrics["test_accuracy"]) + known,
        "balanced accuracy": percent(metrics["balanced_accuracy"]),
        "macro F1": percent(metrics["macro_f1"]),
        "accuracy on training rows": percent(metrics["train_accuracy"]),
        "cross-validation": percent(metrics["cv_accuracy"]) + spread,
        "log loss": f"{metrics['log_loss']:.3f}",
        "calibration error": percent(metrics["calibration_error"]),
        **_believed(metrics),
        f"always {metrics['majority_regime']}": percent(metrics["majority_accuracy"]),
        "the label just before": percent(metrics["baselines"]["last_label"]),
        "production, same rows": percent(metrics["production_accuracy"]),
        "one row takes": f"{metrics['latency_ms']:.3f} ms",
    }
    yield from (f"{name:<28}{value}" for name, value in rows.items())
    if compared:
        yield from paired_lines(compared, ("the candidate", "production"))


def _believed(metrics: Mapping[str, Any]) -> dict[str, str]:
    """From where on it is right often enough, and how its changes compare with the true ones."""
    found = {}
    if told := metrics.get("accuracy_by_confidence"):
        cut = told["cut"]
        told_cut = "at no confidence" if cut is None else f"from a confidence of {cut:.2f} on"
        found[f"right in {told['floor']:.1%}"] = told_cut
    switching = metrics.get("switching") or {}
    if switching.get("predicted_switches") is not None:
        rates = (switching["predicted_switches"], switching["true_switches"])
        late = switching["delay_hours"]
        delay = "" if late is None else f", {late:g} hours late (median)"
        found["changes a symbol and day"] = f"{rates[0]:.1f} against {rates[1]:.1f}{delay}"
    return found


def _regimes(metrics: Mapping[str, Any]) -> Iterator[str]:
    yield f"{'regime':<16}{'precision':>10}{'recall':>10}{'holdout':>10}{'training':>10}"
    for row in metrics["regimes"]:
        name, trained = row["regime"], metrics["train_class_counts"][row["regime"]]
        precision, recall = percent(row["precision"]), percent(row["recall"])
        yield f"{name:<16}{precision:>10}{recall:>10}{row['support']:>10}{trained:>10}"


def _confusion(metrics: Mapping[str, Any]) -> Iterator[str]:
    width = max(map(len, REGIMES)) + 1
    yield "Confusion on the holdout (rows: true regime, columns: predicted regime)"
    yield " " * 16 + "".join(f"{name:>{width}}" for name in REGIMES)
    for name, counts in zip(REGIMES, metrics["confusion_matrix"], strict=True):
        yield f"{name:<16}" + "".join(f"{count:>{width}}" for count in counts)


def _features(metrics: Mapping[str, Any]) -> Iterator[str]:
    yield f"{'Most important features':<28}{'points lost if shuffled':>24}{'impurity':>10}"
    impurity = metrics["feature_importances"]
    for name, lost in list(metrics["permutation_importances"].items())[:_TOP_FEATURES]:
        yield f"  {name:<26}{points(lost):>24}{impurity[name]:>10.1%}"


def _labels(metrics: Mapping[str, Any]) -> Iterator[str]:
    for name, title in (("learning_curve", "More labels"), ("suspects", "Wrong labels")):
        yield f"{title}: {(metrics.get(name) or {}).get('words', 'not known')}"


def _covered(metrics: Mapping[str, Any], part: str) -> str:
    days, runs = metrics.get(f"{part}_days"), metrics.get(f"{part}_runs")
    return "" if days is None else f" of {days} days and {runs} runs of one regime"


def _origin(metrics: Mapping[str, Any]) -> Iterator[str]:
    available = metrics.get("train_samples_available") or metrics["train_samples"]
    of_all = f" of {available}" if available > metrics["train_samples"] else ""
    yield (
        f"Training: {metrics['train_samples']}{of_all} rows{_covered(metrics, 'train')}, "
        f"{metrics['train_start']} to {metrics['train_end']}"
    )
    yield (
        f"Holdout:  {metrics['holdout_samples']} rows{_covered(metrics, 'holdout')}, "
        f"{metrics['holdout_start']} to {metrics['holdout_end']}"
    )
    yield f"Between them {metrics['embargoed_samples']} rows were dropped (embargo)"
    yield f"Snapshot: {metrics['snapshot_table']}, fingerprint {metrics['data_fingerprint']}"
    yield f"Model:    SHA-256 {metrics['model_sha256']}, trained {metrics['trained_at']}"
    yield f"Code:     commit {metrics['git_commit'] or 'not known'}"
    yield "Settings: " + ", ".join(f"{key} {value}" for key, value in metrics["settings"].items())
    yield "Versions: " + ", ".join(f"{key} {value}" for key, value in metrics["versions"].items())
