"""What the data gate reports when it does not let data pass."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from expectations.report import GateReport


class DataRejected(Exception):
    """The data broke a rule; carries the whole report."""

    def __init__(self, report: "GateReport") -> None:
        super().__init__(report)
        self.report = report

    def __str__(self) -> str:
        rules = (
            f"{r.rule}: expected {r.expected}, observed {r.observed}"
            for r in self.report.failed_rules
        )
        return "\n".join(("Insufficient data quality", *rules, *self.report.remedies))


class GateNotRun(Exception):
    """A rule could not be evaluated: there is no verdict, neither passed nor bad data."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return (
            "The data gate could not evaluate every rule, so there is no verdict on the data: "
            + "; ".join(self.problems)
            + ". What to do: see the rules and the task's log; this is no word about the data."
        )
