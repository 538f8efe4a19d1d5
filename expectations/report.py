"""The verdict of the data gate as data and as text."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from tabulate import tabulate

from expectations.run_record import RuleRecord, RunRecord
from expectations.thresholds import Thresholds

_MARKS: Final = {"held": "ok", "warned": "warning", "failed": "FAILED"}


@dataclass(frozen=True, kw_only=True)
class GateReport(RunRecord):
    """What the data gate found in a snapshot.

    Attributes:
        thresholds: the bounds that were used.
        database: of the table that was checked.
        page: path of the run's Data Docs page, None if it could not be made.
        page_problem: what went wrong with the page or its index, empty if nothing.
    """

    thresholds: Thresholds
    database: str
    page: str | None
    page_problem: str = ""

    @property
    def passed(self) -> bool:
        """Whether every critical rule held."""
        return not self.failed_rules

    @property
    def failed_rules(self) -> tuple[RuleRecord, ...]:
        """The critical rules that did not hold."""
        return self.of("failed")

    @property
    def warnings(self) -> tuple[RuleRecord, ...]:
        """The other rules that did not hold."""
        return self.of("warned")

    @property
    def place(self) -> str:
        """Database and table."""
        return f"{self.database}.{self.table}"

    @property
    def remedies(self) -> tuple[str, ...]:
        """What a person can do about the rules that failed, each once, in their order."""
        return tuple(dict.fromkeys(rule.remedy for rule in self.failed_rules))

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values, small enough for an XCom; rules that hold are only counted."""
        return {
            "passed": self.passed,
            "samples": self.samples,
            "rules": len(self.rules),
            "failed_rules": [asdict(rule) for rule in self.failed_rules],
            "warnings": [asdict(rule) for rule in self.warnings],
            "classes": [asdict(count) for count in self.classes],
            "missing": self.missing,
            "remedies": list(self.remedies),
            "thresholds": asdict(self.thresholds),
            "table": self.place,
            "page": self.page,
        }

    def as_text(self) -> str:
        """Renders the verdict, the rules that do not hold and the classes as tables."""
        held = sum(rule.passed for rule in self.rules)
        failing = (*self.failed_rules, *self.warnings)
        classes = [
            (c.regime, f"{c.samples:,}", f"{c.share:.1%}", f"{c.missing:,}", c.verdict)
            for c in (*self.classes, *([self.total] if self.total else []))
        ]
        to_look_at = [f"{r.rule}:\n{_lines(r.rows)}" for r in failing if r.rows]
        return "\n\n".join(
            [
                (
                    f"Data gate: {self.verdict}. {self.samples or 0:,} labelled samples in "
                    f"{self.place}, {held} of {len(self.rules)} rules hold."
                ),
                *([_table(failing)] if failing else []),
                *(["Rows to look at"] if to_look_at else []),
                *to_look_at,
                tabulate(
                    classes,
                    headers=("regime", "samples", "share", "labels missing", "verdict"),
                    colalign=("left", "right", "right", "right", "left"),
                    disable_numparse=True,
                ),
                f"Data Docs: {self.page or 'no page could be made'} {self.page_problem}".rstrip(),
            ]
        )

    def rules_text(self) -> str:
        """Renders every rule as a table, expected against observed."""
        return _table(self.rules)


def _table(rules: Sequence[RuleRecord]) -> str:
    rows = [(_MARKS[r.outcome], r.rule, r.expected, r.observed) for r in rules]
    return tabulate(rows, headers=("", "rule", "expected", "observed"), maxcolwidths=60)


def _lines(rows: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join(", ".join(f"{name} {value}" for name, value in row.items()) for row in rows)
