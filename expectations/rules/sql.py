"""Rules that are SQL: an aggregate of the table, or a query that must give no row.

Great Expectations sends all aggregates of a suite in one statement, so a rule that is an aggregate
costs a column of one answer, not a query of its own.
"""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Final

import sqlalchemy as sa
from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.core.metric_function_types import MetricPartialFunctionTypes
from great_expectations.execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.metrics.metric_provider import metric_partial, metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider
from sqlalchemy import RowMapping

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


_TYPES = "table.column_types"
_EXAMPLES = 5
_NUMBERS = {"Float64", "UInt8"}


class AggregateExpectation(BatchExpectation):
    """A rule that judges the answer to one SQL aggregate of the suite's statement."""

    aggregate: str

    metric_dependencies: ClassVar[tuple[str, ...]] = (AGGREGATE,)


def judged(*, success: bool, observed: str, rows: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """What an expectation returns: whether it holds, what was seen, and the rows to look at."""
    details = {"rows": list(rows)} if rows else {}
    return {"success": success, "result": {"observed_value": observed, "details": details}}


class ExpectNoRowsWhere(AggregateExpectation):
    """Expects that no row meets `condition`; shows the newest ones that do.

    The rows themselves are asked for only if there are any.

    Attributes:
        aggregate: `countIf(condition)`, see `no_rows_where`.
        condition: SQL that is true for a bad row.
        shown: columns or expressions to show of a bad row, besides symbol and timestamp.
    """

    condition: str
    shown: tuple[str, ...] = ()

    success_keys: ClassVar[tuple[str, ...]] = ("aggregate", "condition", "shown")

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: Any = None,
    ) -> dict[str, Any]:
        bad = int(metrics[AGGREGATE])
        rows = self._examples(execution_engine) if bad else []
        return _found(bad, "row" if bad == 1 else "rows", rows)

    def _examples(self, engine: SqlAlchemyExecutionEngine) -> list[dict[str, Any]]:
        columns = ", ".join(("symbol", "timestamp", *self.shown))
        return rows_of(
            engine,
            f"SELECT {columns} FROM {TABLE} WHERE {self.condition} "
            f"ORDER BY timestamp DESC, symbol LIMIT {_EXAMPLES}",
        )


def no_rows_where(condition: str, shown: Sequence[str] = (), **words: Any) -> ExpectNoRowsWhere:
    """Builds the rule that no row meets an SQL condition."""
    return ExpectNoRowsWhere(
        aggregate=f"countIf({condition})", condition=condition, shown=tuple(shown), **words
    )


class ExpectNoRowsFrom(BatchExpectation):
    """Expects that a query finds nothing; shows what it finds.

    Attributes:
        query: SQL over `{table}` with a column `found` (how many there are in all) and columns to
            show, limited to a few rows.
        what: what a found thing is called, in the plural.
    """

    query: str
    what: str

    metric_dependencies: ClassVar[tuple[str, ...]] = (ROWS,)
    success_keys: ClassVar[tuple[str, ...]] = ("query", "what")

    def _validate(self, metrics: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        rows = [dict(row) for row in metrics[ROWS]]
        found = max((int(row.pop("found")) for row in rows), default=0)
        return _found(found, self.what, rows)


class ExpectAtLeast(AggregateExpectation):
    """Expects an aggregate that counts to be at least `minimum`."""

    minimum: int

    success_keys: ClassVar[tuple[str, ...]] = ("aggregate", "minimum")

    def _validate(self, metrics: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        found = int(metrics[AGGREGATE])
        return judged(success=found >= self.minimum, observed=f"{found:,}")


class ExpectNewestToBeFresh(AggregateExpectation):
    """Expects the newest sample to be at most `max_days` old, by the server's clock."""

    max_days: float

    success_keys: ClassVar[tuple[str, ...]] = ("aggregate", "max_days")

    def _validate(self, metrics: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        age = metrics[AGGREGATE]
        observed = "no samples" if age is None else f"{float(age):.1f} days"
        return judged(success=age is not None and float(age) <= self.max_days, observed=observed)


class ExpectNoneNamed(AggregateExpectation):
    """Expects an aggregate that lists names to name none but the `allowed` ones."""

    allowed: tuple[str, ...] = ()

    success_keys: ClassVar[tuple[str, ...]] = ("aggregate", "allowed")

    def _validate(self, metrics: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        named = [name for name in str(metrics[AGGREGATE]).split() if name not in self.allowed]
        return judged(success=not named, observed=", ".join(named) or "none")


class ExpectColumnsToDiffer(AggregateExpectation):
    """Expects that no two columns hold the same values, judged by a digest of each column."""

    columns: list[str]

    success_keys: ClassVar[tuple[str, ...]] = ("aggregate", "columns")

    def _validate(self, metrics: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        alike: dict[str, list[str]] = {}
        for column, digest in zip(self.columns, str(metrics[AGGREGATE]).split(), strict=True):
            alike.setdefault(digest, []).append(column)
        same = [" = ".join(columns) for columns in alike.values() if len(columns) > 1]
        constant = alike.get("constant", [])
        same = [text for text in same if text != " = ".join(constant)]
        return judged(success=not same, observed="; ".join(same) or "all differ")


class ExpectColumnTypes(BatchExpectation):
    """Expects columns of certain ClickHouse types.

    LowCardinality and time zones do not matter, and a number may be any that the freeze leaves.
    """

    types: dict[str, str]

    metric_dependencies: ClassVar[tuple[str, ...]] = (_TYPES,)
    success_keys: ClassVar[tuple[str, ...]] = ("types",)

    def _validate(self, metrics: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        found = {str(column["name"]): bare(str(column["type"])) for column in metrics[_TYPES]}
        wrong = [
            f"{name} is {found.get(name, 'missing')}, not {expected}"
            for name, expected in self.types.items()
            if found.get(name) != expected and {found.get(name), expected} != _NUMBERS
        ]
        return judged(success=not wrong, observed="; ".join(wrong) or "as expected")


def bare(column_type: str) -> str:
    """Takes off a type what does not change its values.

    >>> bare("LowCardinality(String)"), bare("DateTime('UTC')"), bare("Nullable(Float64)")
    ('String', 'DateTime', 'Nullable(Float64)')
    """
    inner = re.sub(r"^LowCardinality\((.*)\)$", r"\1", column_type)
    return re.sub(r"^DateTime\(.*\)$", "DateTime", inner)


def _found(count: int, what: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    example = ", ".join(f"{name} {value}" for name, value in rows[0].items()) if rows else ""
    observed = f"{count:,} {what}, such as {example}" if rows else "none"
    return judged(success=not count, observed=observed, rows=rows)


_LONGEST: Final = 60


def shown(value: str) -> str:
    r"""A text of a row for logs, pages, XComs and chat; as it is, if it is short and visible.

    A blank at an end, an escape sequence, a right-to-left mark or an empty text is written as
    Python writes it. No more than the beginning of a long text is looked at.

    >>> print(shown("range"), shown("range "), shown("a\x1b[31m"))
    range 'range ' 'a\x1b[31m'
    >>> shown("x" * 1_000_000)[55:]
    'xxxxx… (1,000,000 characters)'
    """
    begin = value[:_LONGEST]
    visible = begin if begin.isprintable() and begin == begin.strip() and begin else repr(begin)
    return visible if len(value) <= _LONGEST else f"{visible}… ({len(value):,} characters)"
