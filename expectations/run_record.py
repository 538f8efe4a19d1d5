"""A stored validation result, read for people: verdict, rules by what became of them, regimes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

_FOR_ENGINEERS: Final = re.compile(r"Stack trace|\[SQL: |\(Background on this error")
"""Where an error's text stops to be of use on a page; all of it is in the stored result."""

Outcome = Literal["held", "failed", "warned", "not run"]
State = Literal["passed", "warned", "rejected", "open"]

_ROWS_RULE: Final = "labelled samples"
"""What counts the rows also where the regimes could not be counted."""


@dataclass(frozen=True)
class RuleRecord:
    """What became of one rule.

    Attributes:
        rule: short name.
        expected: what it expects, in words.
        why: why it matters, empty if that is not known.
        observed: what was seen, in words.
        outcome: "failed" blocks, "warned" is only reported, "not run" says nothing about the data.
        rows: some of the rows to look at, by column name.
        problem: why it could not run, empty if it could.
        remedy: what a person can do where it does not hold, empty for a warning.
    """

    rule: str
    expected: str
    why: str
    observed: str
    outcome: Outcome
    rows: Sequence[Mapping[str, Any]]
    problem: str
    remedy: str = ""

    @property
    def passed(self) -> bool:
        """Whether it holds."""
        return self.outcome == "held"

    @property
    def columns(self) -> list[str]:
        """The columns of `rows`, each once."""
        return list(dict.fromkeys(name for row in self.rows for name in row))


@dataclass(frozen=True)
class ClassCount:
    """How one regime is represented.

    Attributes:
        regime: the label.
        samples: rows with it.
        share: of all rows, 0 to 1.
        missing: further labels of it that would lift it to the bounds.
        problem: what is wrong in words, empty if nothing.
    """

    regime: str
    samples: int
    share: float
    missing: int
    problem: str

    @property
    def verdict(self) -> str:
        """The judgement in words, also where nothing is wrong."""
        return self.problem or ("ok" if self.samples else "does not occur")


@dataclass(frozen=True)
class RunRecord:
    """What a run of the gate found.

    Attributes:
        run_id: Airflow's name of the run.
        time: when it started.
        suite: name of the list of rules.
        table: the judged table, without its database.
        rules: every rule, in the order of the suite.
        classes: every regime's count; empty if not counted.
        total: the same of all regimes together; None if not counted.
    """

    run_id: str
    time: datetime
    suite: str
    table: str
    rules: tuple[RuleRecord, ...]
    classes: tuple[ClassCount, ...]
    total: ClassCount | None = None

    def of(self, outcome: Outcome) -> tuple[RuleRecord, ...]:
        """The rules with an outcome."""
        return tuple(rule for rule in self.rules if rule.outcome == outcome)

    @property
    def state(self) -> State:
        """The verdict; passed only if every rule was evaluated and there is one."""
        outcomes = {rule.outcome for rule in self.rules}
        if not outcomes or "not run" in outcomes:
            return "open"
        if "failed" in outcomes:
            return "rejected"
        return "warned" if "warned" in outcomes else "passed"

    @property
    def verdict(self) -> str:
        """The verdict in words."""
        match self.state:
            case "open" if not self.rules:
                return "No verdict: there are no rules"
            case "open":
                return f"No verdict: {_count(len(self.of('not run')), 'rule')} could not run"
            case "rejected":
                return f"Rejected: {len(self.of('failed'))} of {_count(len(self.rules), 'rule')}"
            case "warned":
                return f"Passed with {_count(len(self.of('warned')), 'warning')}"
            case _:
                return "Passed"

    @property
    def samples(self) -> int | None:
        """Labelled samples; None if they were not counted."""
        if self.classes:
            return sum(count.samples for count in self.classes)
        counted = [r.observed.replace(",", "") for r in self.rules if r.rule == _ROWS_RULE]
        return int(counted[0]) if counted and counted[0].isdigit() else None

    @property
    def missing(self) -> int:
        """Further labels that would lift all samples and every regime to their bounds."""
        return self.total.missing if self.total else 0

    @property
    def problems(self) -> dict[str, list[RuleRecord]]:
        """The rules that could not run by what kept them from it."""
        found: dict[str, list[RuleRecord]] = {}
        for rule in self.of("not run"):
            found.setdefault(rule.problem, []).append(rule)
        return found


def folder_of_run(run_id: str) -> str:
    """The name of a run's folder: its id, unless that leads to another folder.

    >>> folder_of_run("manual__2026-11-22T02:00:00+00:00"), folder_of_run("..")
    ('manual__2026-11-22T02:00:00+00:00', 'run ..')
    """
    return f"run {run_id}" if set(run_id) <= {"."} else run_id.replace("/", " ")


def read_record(result: Mapping[str, Any]) -> RunRecord:
    """Reads a validation result as Great Expectations stores it."""
    run = result["meta"]["run_id"]
    details = [_details(rule) for rule in result["results"]]
    counted: Mapping[str, Any] = next((found for found in details if "classes" in found), {})
    return RunRecord(
        run_id=str(run["run_name"]),
        time=datetime.fromisoformat(run["run_time"]).astimezone(UTC),
        suite=str(result["suite_name"]),
        table=str(result["meta"]["active_batch_definition"]["data_asset_name"]),
        rules=rules_in(result),
        classes=tuple(ClassCount(**count) for count in counted.get("classes", ())),
        total=ClassCount(**counted["all"]) if "all" in counted else None,
    )


def rules_in(result: Mapping[str, Any]) -> tuple[RuleRecord, ...]:
    """What became of each rule of a result, in the order of the suite."""
    return tuple(map(_rule, sorted(result["results"], key=_number)))


def _number(result: Mapping[str, Any]) -> int:
    """The rule's place in the suite; results come in another order."""
    return int((result["expectation_config"].get("meta") or {}).get("number", 0))


def _rule(result: Mapping[str, Any]) -> RuleRecord:
    config = result["expectation_config"]
    words = config.get("meta") or {}
    problem = _problem(result.get("exception_info") or {})
    return RuleRecord(
        rule=str(words.get("rule", config["type"])),
        expected=str(words.get("expected", config.get("description") or "")),
        why=str(words.get("why", "")),
        observed=str((result.get("result") or {}).get("observed_value", "")),
        outcome=_outcome(result, problem),
        rows=[_ordered(row) for row in _details(result).get("rows", ())],
        problem=problem,
        remedy=str(words.get("remedy", "")),
    )


def _ordered(row: Mapping[str, Any]) -> dict[str, Any]:
    """Symbol and timestamp first; Great Expectations stores the keys of a row sorted."""
    first = {name: row[name] for name in ("symbol", "timestamp") if name in row}
    return {**first, **row}


def _outcome(result: Mapping[str, Any], problem: str) -> Outcome:
    if problem:
        return "not run"
    if result["success"] is True:
        return "held"
    return "warned" if result["expectation_config"].get("severity") == "warning" else "failed"


def _problem(info: Mapping[str, Any]) -> str:
    # Great Expectations writes either one record or one for each metric.
    records = [info] if "raised_exception" in info else list(info.values())
    messages = [
        _cause(str(record["exception_message"] or ""))
        for record in records
        if record["raised_exception"]
    ]
    return "; ".join(dict.fromkeys(messages))


def _cause(message: str) -> str:
    cause = _FOR_ENGINEERS.split(message)[0]
    # Without its own id the same error of many queries is one error.
    return re.sub(r"query_id=[\w-]+&?", "", cause).strip() or "no reason given"


def _details(result: Mapping[str, Any]) -> Mapping[str, Any]:
    return (result.get("result") or {}).get("details") or {}


def _count(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
