"""Runs the rules on a frozen table with Great Expectations, inside ClickHouse, and reports."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import great_expectations as gx
import sqlalchemy as sa
from great_expectations.core.batch_definition import BatchDefinition
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context import EphemeralDataContext
from great_expectations.datasource.fluent.interfaces import TestConnectionError
from sqlalchemy import Engine

from expectations.docs.context import DocsPage, open_context, open_context_without_site, publish
from expectations.errors import GateNotRun
from expectations.report import GateReport
from expectations.rules.reference import Reference
from expectations.run_record import RuleRecord, RunRecord, folder_of_run, read_record, rules_in
from expectations.suite import (
    TYPES_RULE,
    Contract,
    build_suite,
    build_suite_of_rows,
    build_suite_of_types,
)
from expectations.thresholds import Thresholds


@dataclass(frozen=True)
class FrozenTable:
    """The table to judge, and the run it was frozen for; `converted` columns with former types."""

    database: str
    table: str
    run_id: str
    run_started: datetime
    fingerprint: str = ""
    converted: tuple[str, ...] = ()

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
    extent: tuple[int, ...] = (),
) -> GateReport:
    """Judges a frozen table and writes its Data Docs page.

    Args:
        engine: an engine on the server that holds the table.
        frozen: the table, and the run that names its page; `run_started` is timezone-aware.
        contract: what a sample consists of.
        thresholds: the bounds.
        docs_folder: where results and Data Docs pages are written.
        reference: what production was trained on; None if there is no production model.
        extent: first and last day (since 1970) and number of symbols of the table that the labels
            were taken from; empty if they are not known.

    Returns:
        The report, whether the data passed or not.

    Raises:
        SQLAlchemyError: if the server cannot be reached, refuses, or the table is gone.
        GateNotRun: if a rule could not be evaluated for another reason, or there is no rule.
    """
    suite = build_suite(contract, thresholds, reference, extent)
    try:
        record, page = _validate(engine, frozen, suite, thresholds, docs_folder)
        if record.problems:
            _ask_server(engine, frozen, contract)
            if any(rule.rule == TYPES_RULE for rule in record.of("failed")):
                # Nothing can be computed with such a column: judge what needs no values.
                types = build_suite_of_types(contract, thresholds)
                record, page = _validate(engine, frozen, types, thresholds, docs_folder)
    except TestConnectionError as error:
        _ask_server(engine, frozen, contract)
        raise GateNotRun((str(error),)) from error
    if record.state == "open":
        raise GateNotRun(_problems(record))
    return GateReport(
        **vars(record),
        thresholds=thresholds,
        database=frozen.database,
        page=str(page.path) if page.path else None,
        page_problem=page.problem,
    )


def _validate(
    engine: Engine,
    frozen: FrozenTable,
    suite: gx.ExpectationSuite,
    thresholds: Thresholds,
    docs_folder: Path,
) -> tuple[RunRecord, DocsPage]:
    """Lets Great Expectations judge the table; returns what it found and the run's page."""
    url = engine.url.set(database=frozen.database)
    facts = {
        "table": frozen.name,
        "fingerprint": frozen.fingerprint,
        "converted": frozen.converted,
        "thresholds": asdict(thresholds),
    }
    context = open_context(docs_folder, url.render_as_string(hide_password=False), facts)
    with _whole_table(context, frozen.table, "${CLICKHOUSE_URL}") as data:
        context.suites.add(suite)
        definition = context.validation_definitions.add(
            gx.ValidationDefinition(name="check_data", data=data, suite=suite)
        )
        checkpoint = context.checkpoints.add(
            gx.Checkpoint(
                name="check_data", validation_definitions=[definition], result_format="BASIC"
            )
        )
        run = checkpoint.run(run_id=RunIdentifier(folder_of_run(frozen.run_id), frozen.run_started))
    ((result_id, validation),) = run.run_results.items()
    stored = validation.to_json_dict()  # type: ignore[no-untyped-call]
    return read_record(stored), publish(context, result_id)


def judge_rows(
    engine: Engine, database: str, table: str, contract: Contract, reference: Reference | None
) -> tuple[RuleRecord, ...]:
    """Runs the rules that need no labels on any rows, labelled or not; writes no page.

    Returns:
        The rules that do not hold, and those that could not be evaluated.
    """
    url = engine.url.set(database=database).render_as_string(hide_password=False)
    with _whole_table(open_context_without_site(), table, url) as data:
        suite = build_suite_of_rows(contract, reference)
        result = data.get_batch().validate(suite, result_format="BASIC")
    stored = result.to_json_dict()  # type: ignore[no-untyped-call]
    return tuple(rule for rule in rules_in(stored) if not rule.passed)


@contextmanager
def _whole_table(
    context: EphemeralDataContext, table: str, url: str
) -> Iterator[BatchDefinition[Any]]:
    source = context.data_sources.add_sql("clickhouse", connection_string=url)
    try:
        asset = source.add_table_asset(name=table, table_name=table)
        yield asset.add_batch_definition_whole_table("all")
    finally:
        # Great Expectations opens two engines of its own and closes neither.
        source.get_engine().dispose()
        source.get_execution_engine().close()


def _ask_server(engine: Engine, frozen: FrozenTable, contract: Contract) -> None:
    """Asks for the table directly: our engine's errors name what is missing and what to do."""
    table = sa.table(frozen.table, *map(sa.column, contract.types), schema=frozen.database)
    with engine.connect() as connection:
        connection.execute(sa.select(table).limit(0))


def _problems(record: RunRecord) -> tuple[str, ...]:
    """What kept rules from being evaluated, each with the rules it kept."""
    found = record.problems.items()
    return tuple(f"{problem} ({_names(rules)})" for problem, rules in found) or (record.verdict,)


def _names(rules: Sequence[RuleRecord]) -> str:
    names = [rule.rule for rule in rules]
    return ", ".join(names) if len(names) < 4 else f"{names[0]} and {len(names) - 1} other rules"
