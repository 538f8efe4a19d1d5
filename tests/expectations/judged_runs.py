"""Runs whose outcome a test chooses, judged and stored by the real Great Expectations."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import great_expectations as gx
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.expectations.expectation import BatchExpectation

from expectations.docs.context import DocsPage, open_context, publish
from expectations.rules.class_balance import count_all, count_classes
from expectations.severity import critical, warning
from expectations.thresholds import Thresholds
from ml.contract import REGIMES

RUN_ID = "scheduled__2026-11-22T02:00:00+00:00"
STARTED = datetime(2026, 11, 22, 2, tzinfo=UTC)
THRESHOLDS = {"min_samples": 300, "max_class_share": 0.7, "max_label_age_days": None}
FINGERPRINT = "9f2c1b7ae04d5c33"


class ExpectGiven(BatchExpectation):
    """Answers what the test wants it to answer."""

    holds: bool = True
    observed: str = "none"
    details: dict[str, Any] | None = None
    raises: str = ""

    metric_dependencies: ClassVar[tuple[str, ...]] = ()
    success_keys: ClassVar[tuple[str, ...]] = ("holds", "observed", "details", "raises")

    def _validate(self, *_: Any, **__: Any) -> dict[str, Any]:
        if self.raises:
            raise RuntimeError(self.raises)
        result = {"observed_value": self.observed, "details": self.details}
        return {"success": self.holds, "result": result}


def rule(name: str, expected: str = "as it should be", **answer: Any) -> ExpectGiven:
    """A rule that blocks."""
    return ExpectGiven(**answer, **critical(name, expected, f"It matters, {name}."))


def advice(name: str, expected: str = "as it should be", **answer: Any) -> ExpectGiven:
    """A rule that is only reported."""
    return ExpectGiven(**answer, **warning(name, expected, f"It may matter, {name}."))


def balance(counts: Mapping[str, int], regimes: Sequence[str] = REGIMES) -> ExpectGiven:
    """The class balance of given counts."""
    bounds = Thresholds(min_samples=0, min_classes=0)
    classes = count_classes(counts, regimes, bounds)
    bad = [f"{c.regime} {c.samples} ({c.share:.1%}): {c.problem}" for c in classes if c.problem]
    return rule(
        "class balance",
        "each regime that occurs at least 10 samples and 1.0% to 70.0% of all",
        holds=not bad,
        observed="; ".join(bad) or "7 regimes within bounds",
        details={
            "classes": [asdict(count) for count in classes],
            "all": asdict(count_all(classes, bounds)),
        },
    )


def judge_run(
    folder: Path,
    connection_url: str,
    rules: Sequence[ExpectGiven],
    run_id: str = RUN_ID,
    started: datetime = STARTED,
    table: str = "regime_features",
) -> DocsPage:
    """Judges a table of the server and publishes the run."""
    facts = {
        "table": f"default.{table}",
        "fingerprint": FINGERPRINT,
        "thresholds": THRESHOLDS,
    }
    context = open_context(folder, connection_url, facts)
    return publish(context, store_run(context, table, rules, run_id, started))


def store_run(
    context: Any, table: str, rules: Sequence[ExpectGiven], run_id: str, started: datetime
) -> Any:
    """Judges a table and stores the result; returns its identifier."""
    source = context.data_sources.add_sql("clickhouse", connection_string="${CLICKHOUSE_URL}")
    try:
        batch = source.add_table_asset(
            name=table, table_name=table
        ).add_batch_definition_whole_table("all")
        suite = context.suites.add(
            gx.ExpectationSuite(name="labelled_samples", expectations=list(map(copy, rules)))
        )
        definition = context.validation_definitions.add(
            gx.ValidationDefinition(name="check_data", data=batch, suite=suite)
        )
        checkpoint = context.checkpoints.add(
            gx.Checkpoint(name="check_data", validation_definitions=[definition])
        )
        run = checkpoint.run(run_id=RunIdentifier(run_id, started))
    finally:
        source.get_engine().dispose()
        source.get_execution_engine().close()
    ((result_id, _),) = run.run_results.items()
    return result_id


EVIL = '"><img src=x onerror="document.title=1"><script>document.title=2</script>'
COUNTS = dict(zip(REGIMES, (589, 593, 582, 451, 639, 617, 529), strict=True))
_FEATURES = ("atr_14", "adx", "ema_9", "ema_200", "volume_price_divergence", "liquidations_24h")
_HELD = (
    rule("labelled samples", "at least 300", observed="4000"),
    rule("known labels", ", ".join(REGIMES), observed="none"),
    *(rule(f"finite {name}", "no NULL, NaN or infinity") for name in _FEATURES),
    *(rule(f"possible {name}", "at least 0") for name in _FEATURES),
    advice("features vary", "none is constant"),
)
_WARNINGS = (
    advice(
        "labels over time",
        "no gap of more than 50% of the window",
        holds=False,
        observed="31 days from 2026-03-04",
    ),
    advice(
        "same features, one label",
        "nearly the same features have the same label",
        holds=False,
        observed="14 pairs of samples, such as symbol SOLUSDT, timestamp 2026-10-02 11:00:00",
        details={
            "rows": [
                {"symbol": "SOLUSDT", "timestamp": f"2026-10-02 {hour}:00:00", "label": label}
                for hour, label in ((11, "trend_up"), (12, "volatile"))
            ]
        },
    ),
)
_FAILED = (
    balance({**COUNTS, "range": 4, "breakout": 8}),
    rule(
        "finite volume_price_divergence",
        "no NULL, NaN or infinity",
        holds=False,
        observed="3 rows, such as symbol BTCUSDT, timestamp 2026-11-21 23:00:00, "
        "volume_price_divergence inf",
        details={
            "rows": [
                {
                    "symbol": symbol,
                    "timestamp": "2026-11-21 23:00:00",
                    "volume_price_divergence": value,
                }
                for symbol, value in (("BTCUSDT", "inf"), ("ETHUSDT", None), ("SOLUSDT", 1e39))
            ]
        },
    ),
)
_LOST = "Code: 210. Connection refused (clickhouse:9000) Stack trace: 0. DB::Exception"

RUNS: Mapping[str, Sequence[ExpectGiven]] = {
    "passed": (balance(COUNTS), *_HELD),
    "warned": (balance(COUNTS), *_HELD, *_WARNINGS),
    "rejected": (*_FAILED, *_HELD, *_WARNINGS),
    "open": (
        balance(COUNTS),
        *_HELD[:6],
        *(rule(f"finite {name}", raises=_LOST) for name in _FEATURES),
        rule("averages of one price", raises="Code: 47. Unknown identifier: ema_9"),
    ),
    "empty": (),
    "hostile": (
        balance({**COUNTS, EVIL: 20}),
        rule(
            EVIL,
            EVIL,
            holds=False,
            observed=EVIL,
            details={"rows": [{"symbol": EVIL, EVIL: EVIL, "value": float("-inf")}]},
        ),
        advice(EVIL, holds=False, observed=EVIL * 10),
        rule("broken", raises=EVIL),
    ),
}
"""A run for each verdict, and one whose every text is an attack."""
