"""The verdict of the data gate as data and as text."""

from dataclasses import asdict, dataclass
from typing import Any

from tabulate import tabulate

from expectations.class_balance import ClassCount
from expectations.thresholds import Thresholds


@dataclass(frozen=True)
class RuleResult:
    """One rule: what it expects, what was seen, and whether that is good enough."""

    rule: str
    expected: str
    observed: str
    passed: bool


@dataclass(frozen=True)
class GateReport:
    """What the data gate found in a snapshot.

    Attributes:
        passed: whether every rule held.
        samples: labelled samples.
        rules: every rule's result, in the order of the suite.
        classes: every regime's count.
        thresholds: the bounds that were used.
        table: the table that was checked.
        page: path of the run's Data Docs page, None if it could not be made.
    """

    passed: bool
    samples: int
    rules: tuple[RuleResult, ...]
    classes: tuple[ClassCount, ...]
    thresholds: Thresholds
    table: str
    page: str | None

    @property
    def failed_rules(self) -> tuple[RuleResult, ...]:
        """The rules that did not hold."""
        return tuple(rule for rule in self.rules if not rule.passed)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values, small enough for an XCom; passed rules are only counted."""
        return {
            "passed": self.passed,
            "samples": self.samples,
            "rules": len(self.rules),
            "failed_rules": [asdict(rule) for rule in self.failed_rules],
            "classes": [asdict(count) for count in self.classes],
            "thresholds": asdict(self.thresholds),
            "table": self.table,
            "page": self.page,
        }

    def as_text(self) -> str:
        """Renders the report as tables for the task's log."""
        verdict = "passed" if self.passed else "REJECTED"
        held = len(self.rules) - len(self.failed_rules)
        rules = [
            ("ok" if r.passed else "FAILED", r.rule, r.expected, r.observed) for r in self.rules
        ]
        classes = [
            (c.regime, f"{c.samples:,}", f"{c.share:.1%}", f"{c.missing:,}", c.verdict)
            for c in self.classes
        ]
        return "\n\n".join(
            [
                (
                    f"Data gate: {verdict}. {self.samples:,} labelled samples in {self.table}, "
                    f"{held} of {len(self.rules)} rules hold."
                ),
                tabulate(rules, headers=("", "rule", "expected", "observed"), maxcolwidths=60),
                tabulate(
                    classes,
                    headers=("regime", "samples", "share", "labels missing", "verdict"),
                    colalign=("left", "right", "right", "right", "left"),
                    disable_numparse=True,
                ),
                f"Data Docs: {self.page or 'no page could be made'}",
            ]
        )
