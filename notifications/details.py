"""The lines below a message's fixed ones: facts in, lines out."""

from collections.abc import Iterable, Sequence

from notifications.facts import Comparison, FailedRule, RegimeCount, RejectedData, TrainingFacts
from notifications.layout import bullets, one_line

_LONGEST_VALUE = 120
_LONGEST_ROW = 200
_MOST_ROWS = 3
_CHANCE = 0.05


def training_details(facts: TrainingFacts) -> tuple[str, ...]:
    """What must not be missed, the comparison with production, and the labels by regime."""
    compared = _compared(facts.comparison) if facts.comparison else ()
    labels = ", ".join(f"{_value(one.regime)} {_counted(one)}" for one in facts.regimes)
    parts = f"Trained on {facts.trained} of the samples, judged on the newest {facts.judged}."
    return (
        *bullets(facts.notes, mark="⚠️"),
        *((parts,) if facts.trained is not None else ()),
        *compared,
        *((one_line(f"Labels per regime: {labels}"),) if labels else ()),
    )


def rejected_details(facts: RejectedData) -> tuple[str, ...]:
    """Every failed expectation on its own line, rows to look at, and the labels by regime."""
    rows = [
        f"{_value(rule.rule)}: {one_line(row, _LONGEST_ROW)}"
        for rule in facts.failed
        for row in rule.rows[:_MOST_ROWS]
    ]
    listed = [f"{_value(one.regime)}: {_counted(one)}" for one in facts.regimes]
    if facts.missing > sum(one.missing for one in facts.regimes):
        listed.append(f"all: {_counted(RegimeCount('all', facts.samples, facts.missing))}")
    regimes = bullets(listed)
    return (
        *_headed("Failed expectations:", bullets(map(_rule, facts.failed))),
        *_headed("Labels per regime:", regimes),
        *_headed("Rows to look at:", bullets(rows)),
    )


def _compared(compared: Comparison) -> Iterable[str]:
    yield (
        f"Compared on the same {compared.rows} rows: candidate {compared.candidate:.2%}, "
        f"production {compared.production:.2%}."
    )
    found = compared.significance
    if found is None:
        return
    interval = (
        f" (95% interval {_points(found.interval[0])} to {_points(found.interval[1])})"
        if found.interval
        else ""
    )
    verdict = "hardly chance" if found.p_value <= _CHANCE else "may be chance"
    yield f"Difference: {_points(compared.candidate - compared.production)} points{interval}."
    yield (
        f"Only the candidate is right on {found.only_candidate_right} rows, only production on "
        f"{found.only_production_right}: {verdict} (McNemar p = {found.p_value:.2g})."
    )


def _points(share: float) -> str:
    """A difference of two shares.

    >>> _points(0.045), _points(-0.0121)
    ('+4.5', '-1.2')
    """
    return f"{100 * share:+.1f}"


def _rule(failed: FailedRule) -> str:
    expected, observed = _value(failed.expected), _value(failed.observed)
    return f"{_value(failed.rule)}: expected {expected}, observed {observed}"


def _value(text: str) -> str:
    return one_line(text, _LONGEST_VALUE)


def _counted(count: RegimeCount) -> str:
    return f"{count.samples} ({count.missing} more needed)" if count.missing else f"{count.samples}"


def _headed(heading: str, lines: Sequence[str]) -> Sequence[str]:
    return (heading, *lines) if lines else ()
