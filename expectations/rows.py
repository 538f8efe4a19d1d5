"""Runs the rules that need no labels on any rows with Great Expectations; writes no page."""

from sqlalchemy import Engine

from expectations.docs.context import open_context_without_site
from expectations.rules.reference import Reference
from expectations.run_record import RuleRecord, rules_in
from expectations.suite import Contract, build_suite_of_rows


def judge_rows(
    engine: Engine, database: str, table: str, contract: Contract, reference: Reference | None
) -> tuple[RuleRecord, ...]:
    """Gives the rules that do not hold, and those that could not be evaluated.

    Args:
        engine: an engine on the server that holds the table.
        database: the table's.
        table: rows, labelled or not.
        contract: what a row consists of.
        reference: what production was trained on; None if there is no production model.
    """
    context = open_context_without_site()
    url = engine.url.set(database=database).render_as_string(hide_password=False)
    source = context.data_sources.add_sql("clickhouse", connection_string=url)
    try:
        asset = source.add_table_asset(name=table, table_name=table)
        batch = asset.add_batch_definition_whole_table("all").get_batch()
        result = batch.validate(build_suite_of_rows(contract, reference), result_format="BASIC")
    finally:
        # Great Expectations opens two engines of its own and closes neither.
        source.get_engine().dispose()
        source.get_execution_engine().close()
    stored = result.to_json_dict()  # type: ignore[no-untyped-call]
    return tuple(rule for rule in rules_in(stored) if not rule.passed)
