"""Great Expectations metrics that are SQL: aggregates of the table, and the rows of a query.

Great Expectations sends all aggregates of a suite in one statement, so a rule that is an aggregate
costs a column of one answer, not a query of its own.
"""

import math
from collections.abc import Iterable
from typing import Any, Final

import sqlalchemy as sa
from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.core.metric_function_types import MetricPartialFunctionTypes
from great_expectations.execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.metrics.metric_provider import metric_partial, metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider
from sqlalchemy import RowMapping

from expectations.shown import shown

AGGREGATE: Final = "table.sql_aggregate"
ROWS: Final = "table.sql_rows"

TABLE: Final = "{table}"
"""Stands for the judged table in the query of a rule."""


class _SqlAggregate(TableMetricProvider):
    metric_name = AGGREGATE
    value_keys = ("aggregate",)

    @metric_partial(
        engine=SqlAlchemyExecutionEngine,
        partial_fn_type=MetricPartialFunctionTypes.AGGREGATE_FN,
        domain_type=MetricDomainTypes.TABLE,
    )
    def _sqlalchemy(
        cls,  # noqa: N805 - GX makes it a class method
        execution_engine: SqlAlchemyExecutionEngine,
        metric_domain_kwargs: dict[str, Any],
        metric_value_kwargs: dict[str, Any],
        **_: Any,
    ) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        return sa.literal_column(metric_value_kwargs["aggregate"]), metric_domain_kwargs, {}


class _SqlRows(TableMetricProvider):
    metric_name = ROWS
    value_keys = ("query",)

    @metric_value(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(
        cls,  # noqa: N805 - GX makes it a class method
        execution_engine: SqlAlchemyExecutionEngine,
        metric_domain_kwargs: dict[str, Any],
        metric_value_kwargs: dict[str, Any],
        **_: Any,
    ) -> list[dict[str, Any]]:
        return rows_of(execution_engine, metric_value_kwargs["query"])


def rows_of(engine: SqlAlchemyExecutionEngine, query: str) -> list[dict[str, Any]]:
    """Runs a query on the judged table, for which `{table}` stands in it.

    Returns:
        The rows as plain values by column name; what is no number becomes text to be shown.
    """
    table = engine.get_domain_records(domain_kwargs={})
    name = table.compile(engine.engine, compile_kwargs={"literal_binds": True})
    answer = engine.execute_query(sa.text(query.replace(TABLE, f"({name})").replace(":", "\\:")))
    return [_plain(row) for row in answer.mappings()]


def words_of(expressions: Iterable[str]) -> str:
    """SQL of texts as one text with spaces between: an array arrives as text over HTTP."""
    return f"arrayStringConcat([{', '.join(expressions)}], ' ')"


def quote(value: str) -> str:
    """A text as SQL."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _plain(row: RowMapping) -> dict[str, Any]:
    # NaN and infinity are no JSON.
    numbers = {name for name, value in row.items() if isinstance(value, int | float)}
    return {
        name: value if name in numbers and math.isfinite(value) else shown(str(value))
        for name, value in row.items()
    }
