"""Own expectations on single columns: finite numbers, and a newest timestamp that is fresh."""

from typing import Any, ClassVar

import sqlalchemy as sa
from great_expectations.execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import (
    ColumnAggregateExpectation,
    ColumnMapExpectation,
)
from great_expectations.expectations.metrics import (
    ColumnAggregateMetricProvider,
    ColumnMapMetricProvider,
    column_aggregate_partial,
    column_condition_partial,
)


class _ColumnValuesFinite(ColumnMapMetricProvider):
    condition_metric_name = "column_values.finite"

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: Any, **_: Any) -> Any:  # noqa: N805 - GX makes it a class method
        # As float32, because the forest computes in float32: 1e39 is infinite there.
        return sa.func.isFinite(sa.func.toFloat32(column)) == 1


class ExpectColumnValuesToBeFinite(ColumnMapExpectation):
    """Expects no NULL, NaN or infinity, also after rounding to float32."""

    map_metric: ClassVar[str] = "column_values.finite"


class _ColumnAgeInDays(ColumnAggregateMetricProvider):
    metric_name = "column.age_days"

    @column_aggregate_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: Any, **_: Any) -> Any:  # noqa: N805 - GX makes it a class method
        # Computed by the server: drivers disagree on whether a DateTime has a zone.
        newest = sa.func.maxOrNull(column)
        return sa.func.dateDiff("minute", newest, sa.func.now()) / sa.literal(1440.0)


class ExpectColumnNewestToBeFresh(ColumnAggregateExpectation):
    """Expects the newest timestamp to be at most `max_age_days` old."""

    max_age_days: float

    metric_dependencies: ClassVar[tuple[str, ...]] = ("column.age_days",)
    success_keys: ClassVar[tuple[str, ...]] = ("max_age_days",)

    def _validate(self, metrics: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        age = metrics["column.age_days"]
        fresh = age is not None and float(age) <= self.max_age_days
        observed = "no samples" if age is None else f"{float(age):.1f} days"
        return {"success": fresh, "result": {"observed_value": observed}}
