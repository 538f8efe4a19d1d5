"""The lines below a message's fixed ones: what a run left behind in, lines out."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from notifications.layout import bullets, one_line

_LONGEST_VALUE = 120
_LONGEST_ROW = 200
_MOST_ROWS = 3
_CHANCE = 0.05


def training_details(metrics: Mapping[str, Any], report: Mapping[str, Any]) -> tuple[str, ...]:
    """What must not be missed, the comparison with production, and the labels by regime."""
    decision = metrics["decision"]
    warnings = (f"{rule['rule']}: {rule['observed']}" for rule in report["warnings"])
    labels = ", ".join(f"{_value(one['regime'])} {_counted(one)}" for one in report["classes"])
    return (
        *bullets((*decision["notes"], *warnings), mark="⚠️"),
        (
            f"Trained on {metrics['train_samples']} of the samples, judged on the newest "
            f"{decision['holdout_samples']}."
        ),
        *(_compared(decision["comparison"]) if decision["comparison"] else ()),
        *(one_line(words) for words in decision.get("change", ())),
        *((one_line(f"Labels per regime: {labels}"),) if labels else ()),
        *more_labels(metrics.get("more_labels")),
        *filter(None, (metrics.get("label_next"),)),
    )


def more_labels(words: str | None, whose: str = "") -> tuple[str, ...]:
    """What more labels would do, as a curve has it, if one is known.

    >>> more_labels("too few labels to say", " (the model in production)")
    ('More labels (the model in production): too few labels to say.',)
    """
    return (f"More labels{whose}: {one_line(words)}.",) if words else ()


def standing(
    production: Mapping[str, Any] | None, run_id: str, happened: datetime
) -> tuple[str, ...]:
    """What stands after a run that changed nothing: when it ended, and which model is live.

    Args:
        production: metrics of the model in production, empty if nothing is known of it; None if
            there is none.
        run_id: the run that ended.
        happened: when; without a time zone it is read as UTC.

    >>> standing({"test_accuracy": 0.785, "deployed_at": "2024-11-21T02:15:00+00:00"}, "r",
    ...     datetime(2024, 11, 28, 2, 15))
    ('Happened: 2024-11-28 02:15 UTC', 'Production is unchanged: 78.5%, live since 2024-11-21.')
    """
    when = (f"Happened: {utc(happened)}",)
    if production is None:
        return (*when, "Production is unchanged: there is no model yet.")
    accuracy, since = production.get("test_accuracy"), production.get("deployed_at")
    told = f"{accuracy:.1%}" if accuracy is not None else "its accuracy is not known"
    live = f", live since {str(since)[:10]}" if since else ""
    if production.get("run_id") == run_id:
        return (*when, f"Production is the model of this run: {told}{live}.")
    return (*when, f"Production is unchanged: {told}{live}.")


def utc(moment: datetime) -> str:
    """A moment in UTC, to the minute; without a time zone it is read as UTC."""
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def rejected_details(report: Mapping[str, Any]) -> tuple[str, ...]:
    """Every failed expectation on its own line, rows to look at, and the labels by regime."""
    failed, classes = report["failed_rules"], report["classes"]
    rows = [
        f"{_value(rule['rule'])}: {one_line(_row(row), _LONGEST_ROW)}"
        for rule in failed
        for row in rule["rows"][:_MOST_ROWS]
    ]
    listed = [f"{_value(one['regime'])}: {_counted(one)}" for one in classes]
    if report["missing"] > sum(one["missing"] for one in classes):
        listed.append(f"all: {_counted(report)}")
    return (
        *_headed("Failed expectations:", bullets(map(_rule, failed))),
        *_headed("Labels per regime:", bullets(listed)),
        *_headed("Rows to look at:", bullets(rows)),
    )


def _compared(compared: Mapping[str, Any]) -> Iterable[str]:
    a, b = compared["candidate_accuracy"], compared["production_accuracy"]
    alone = compared["only_candidate_correct"], compared["only_production_correct"]
    if not any(alone):
        yield f"Both models predict the same {compared['rows']} rows correctly or not ({a:.2%})."
        return
    yield f"Compared on the same {compared['rows']} rows: candidate {a:.2%}, production {b:.2%}."
    interval = compared["difference_interval"]
    ends = f" (95% interval {_points(interval[0])} to {_points(interval[1])})" if interval else ""
    yield f"Difference: {_points(a - b)} points{ends}."
    chance = "hardly chance" if compared["p_value"] <= _CHANCE else "may be chance"
    yield (
        f"Predicted correctly by the candidate alone: {alone[0]} rows, by production alone: "
        f"{alone[1]}: {chance} "
        f"(McNemar p = {compared['p_value']:.2g})."
    )


def _points(share: float) -> str:
    """A difference of two shares.

    >>> _points(0.045), _points(-0.0121)
    ('+4.5', '-1.2')
    """
    return f"{100 * share:+.1f}"


def _rule(failed: Mapping[str, Any]) -> str:
    expected, observed = _value(failed["expected"]), _value(failed["observed"])
    return f"{_value(failed['rule'])}: expected {expected}, observed {observed}"


def _row(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.items())


def _value(text: str) -> str:
    return one_line(text, _LONGEST_VALUE)


def _counted(count: Mapping[str, Any]) -> str:
    samples, missing = count["samples"], count["missing"]
    return f"{samples} ({missing} more needed)" if missing else f"{samples}"


def _headed(heading: str, lines: Sequence[str]) -> Sequence[str]:
    return (heading, *lines) if lines else ()
