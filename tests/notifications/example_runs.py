"""What runs leave behind, made up, for the messages that tell of it."""

from typing import Any


def judged(
    accuracy: float = 0.785,
    reasons: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    comparison: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Metrics of a candidate of 450 samples that was judged on 90."""
    return {
        "test_accuracy": accuracy,
        "total_samples": 450,
        "train_samples": 350,
        "decision": {
            "reasons": reasons,
            "notes": notes,
            "holdout_samples": 90,
            "comparison": comparison,
        },
    }


def compared(candidate: float, production: float, p_value: float = 0.04) -> dict[str, Any]:
    """A comparison on 90 rows, of which 20 were predicted correctly by one model alone."""
    return {
        "rows": 90,
        "candidate_accuracy": candidate,
        "production_accuracy": production,
        "only_candidate_correct": 15,
        "only_production_correct": 5,
        "p_value": p_value,
        "difference_interval": None,
    }


def gate_report(
    samples: int = 250,
    failed: tuple[dict[str, Any], ...] = (),
    classes: tuple[dict[str, Any], ...] = (),
) -> dict[str, Any]:
    """A report of the data gate that asks for 300 samples."""
    return {
        "samples": samples,
        "missing": 0,
        "thresholds": {"min_samples": 300},
        "failed_rules": list(failed),
        "warnings": [],
        "classes": list(classes),
        "remedies": ["Please label more data and retry."],
    }


def failed_rule(rule: str, expected: str, observed: str, *rows: dict[str, Any]) -> dict[str, Any]:
    """A rule that does not hold, with rows to look at."""
    return {"rule": rule, "expected": expected, "observed": observed, "rows": list(rows)}


def class_count(regime: str, samples: int, missing: int = 0) -> dict[str, Any]:
    """Labelled samples of a regime."""
    return {"regime": regime, "samples": samples, "missing": missing}
