"""Runs the rules on a frozen table with Great Expectations, inside ClickHouse, and reports."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import great_expectations as gx
import sqlalchemy as sa
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.datasource.fluent.interfaces import TestConnectionError
from sqlalchemy import Engine

from expectations.class_balance import ClassCount
from expectations.docs import DocsPage, open_context, publish
from expectations.errors import GateNotRun
from expectations.reference import Reference
from expectations.report import GateReport, RuleResult
from expectations.suite import Contract, build_suite, build_suite_of_types
from expectations.thresholds import Thresholds


@dataclass(frozen=True)
class FrozenTable:
    """The table to judge, and the run it was frozen for."""

    database: str
    table: str
    run_id: str
    run_started: datetime
    fingerprint: str = ""

    @property
    def name(self) -> str:
        """Database and table as one name for people."""
        return f"{self.database}.{self.table}"


def run_gate(  # noqa: PLR0913, PLR0917 - all of them are facts about the run
    engine: Engine,
    frozen: FrozenTable,
    contract: Contract,
    thresholds: Thresholds,
    docs_folder: Path,
    reference: Reference | None = None,
) -> GateReport:
    """Judges a frozen table and writes its Data Docs page.

    Args:
        engine: an engine on the server that holds the table.
        frozen: the table, and the run that names its page; `run_started` is timezone-aware.
        contract: what a sample consists of.
        thresholds: the bounds.
        docs_folder: where results and Data Docs pages are written.
        reference: what production was trained on; None if there is no production model.

    Returns:
        The report, whether the data passed or not.

    Raises:
        SQLAlchemyError: if the server cannot be reached, refuses, or the table is gone.
        GateNotRun: if a rule could not be evaluated for another reason, or there is no rule.
    """
    suite = build_suite(contract, thresholds, reference)
    try:
        results, page = _validate(engine, frozen, suite, thresholds, docs_folder)
        if _problems(results):
            _ask_server(engine, frozen, contract)
            if _has_wrong_types(results):
                # Nothing can be computed with such a column: judge what needs no values.
                types = build_suite_of_types(contract, thresholds)
                results, page = _validate(engine, frozen, types, thresholds, docs_folder)
    except TestConnectionError as error:
        _ask_server(engine, frozen, contract)
        raise GateNotRun((str(error),)) from error
    problems = _problems(results) if results else ("the suite has no rules",)
    if problems:
        raise GateNotRun(problems)
    return _report(results, frozen, thresholds, page)


def _validate(
    engine: Engine,
    frozen: FrozenTable,
    suite: gx.ExpectationSuite,
    thresholds: Thresholds,
    docs_folder: Path,
) -> tuple[Sequence[Any], DocsPage]:
    """Lets Great Expectations judge the table; returns each rule's result and the run's page."""
    url = engine.url.set(database=frozen.database)
    facts = {
        "table": frozen.name,
        "fingerprint": frozen.fingerprint,
        "thresholds": asdict(thresholds),
    }
    context = open_context(docs_folder, url.render_as_string(hide_password=False), facts)
    source = context.data_sources.add_sql("clickhouse", connection_string="${CLICKHOUSE_URL}")
    try:
        asset = source.add_table_asset(name=frozen.table, table_name=frozen.table)
        context.suites.add(suite)
        definition = context.validation_definitions.add(
            gx.ValidationDefinition(
                name="check_data", data=asset.add_batch_definition_whole_table("all"), suite=suite
            )
        )
        checkpoint = context.checkpoints.add(
            gx.Checkpoint(
                name="check_data",
                validation_definitions=[definition],
                result_format="BASIC",
            )
        )
        run = checkpoint.run(run_id=RunIdentifier(frozen.run_id, frozen.run_started))
    finally:
        # Great Expectations opens two engines of its own and closes neither.
        source.get_engine().dispose()
        source.get_execution_engine().close()
    ((result_id, validation),) = run.run_results.items()
    return validation.results, publish(context, result_id)


def _ask_server(engine: Engine, frozen: FrozenTable, contract: Contract) -> None:
    """Asks for the table directly: our engine's errors name what is missing and what to do."""
    table = sa.table(frozen.table, *map(sa.column, contract.types), schema=frozen.database)
    with engine.connect() as connection:
        connection.execute(sa.select(table).limit(0))


def _has_wrong_types(results: Sequence[Any]) -> bool:
    return any(
        result.expectation_config.type == "expect_column_types"
        and not result.success
        and not _exceptions(result)
        for result in results
    )


def _problems(results: Sequence[Any]) -> tuple[str, ...]:
    """What kept rules from being evaluated, each with the rules it kept."""
    rules: dict[str, list[str]] = {}
    for result in results:
        for message in _exceptions(result):
            rules.setdefault(message, []).append(result.expectation_config.meta["rule"])
    return tuple(f"{message} ({_names(found)})" for message, found in rules.items())


def _names(rules: Sequence[str]) -> str:
    return ", ".join(rules) if len(rules) < 4 else f"{rules[0]} and {len(rules) - 1} other rules"


def _report(
    results: Sequence[Any], frozen: FrozenTable, thresholds: Thresholds, page: DocsPage
) -> GateReport:
    facts = [result.result for result in results]
    classes = next((found["classes"] for found in map(_details, facts) if "classes" in found), ())
    return GateReport(
        samples=int(facts[0]["observed_value"]),
        rules=tuple(map(_rule, results)),
        classes=tuple(ClassCount(**count) for count in classes),
        thresholds=thresholds,
        table=frozen.name,
        page=str(page.path) if page.path else None,
        page_problem=page.problem,
    )


def _rule(result: Any) -> RuleResult:
    words = result.expectation_config.meta
    return RuleResult(
        rule=words["rule"],
        expected=words["expected"],
        observed=str(result.result["observed_value"]),
        passed=bool(result.success),
        severity=result.expectation_config.severity.value,
        rows=tuple(_details(result.result).get("rows", ())),
    )


def _details(fact: dict[str, Any]) -> dict[str, Any]:
    return fact.get("details") or {}


def _exceptions(result: Any) -> list[str]:
    info = result.exception_info or {}
    # Great Expectations writes either one record or one for each metric.
    records = [info] if "raised_exception" in info else list(info.values())
    return [
        str(record["exception_message"]).split("Stack trace")[0].strip()
        for record in records
        if record.get("raised_exception")
    ]
