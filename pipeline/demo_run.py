"""The work of `make demo`: a sample market, one run of the DAG, and what came of it.

Reports each step to `pipeline.demo` on the pipe DEMO_EVENTS, and keeps the tasks' logs where the
Airflow UI looks for them.
"""

import json
import logging
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from airflow.configuration import conf
from airflow.sdk import DagRunState
from airflow.utils.cli import get_bagged_dag

from clickhouse.schema import apply_schema
from ml.registry.models import read_candidate
from ml.registry.names import PRODUCTION, REPORT_PAGE_FILE
from pipeline.alerts import tell_of_failed_task
from pipeline.connection import clickhouse_engine
from pipeline.dag_defaults import TRAINING
from pipeline.demo import TOLD
from pipeline.settings import Settings, read_settings
from sample_market import MarketSpec, simulate
from sample_market.loading import count_rows, insert

_WIDEST: Final = 30
_NEXT: Final = (
    "Next: make ui (the Airflow UI on these data: Models, Data Docs, reports),",
    "      make demo again (the next Sunday), make demo AIRFLOW_VAR_MIN_ACCURACY=0.99 (a no),",
    "      docs/install.md (your own data and servers).",
)


def main() -> int:
    """Runs the demo; returns 0 only if the run succeeded."""
    _tell(step="sample market", found=load_market_if_empty())
    dag = get_bagged_dag(bundle_names=None, dag_id=TRAINING)
    for task in dag.tasks:
        task.on_execute_callback = [_begin]
        task.on_success_callback = [_succeed]
        task.on_failure_callback = [_fail]
        task.on_retry_callback = [_retry]
    run = dag.test(logical_date=datetime.now(UTC))
    if run.state != DagRunState.SUCCESS:
        return TOLD
    _tell(lines=_verdict(read_settings(), run.run_id))
    return 0


def load_market_if_empty() -> str:
    """Fills the embedded ClickHouse; a server of your own is never written to.

    Returns:
        What there is, in words.
    """
    with clickhouse_engine() as engine:
        if engine.url.get_driver_name() != "chdb":
            return "your own server, which is only read"
        apply_schema(engine)
        rows = count_rows(engine)
        if rows:
            return f"{rows:,} rows are there already"
        market = simulate(MarketSpec())
        insert(engine, market)
        labelled = int((market["regime_label"] != "").sum())
    return f"{len(market):,} rows of {market['symbol'].nunique()} symbols, {labelled:,} labelled"


class _TaskLog(logging.Handler):
    """Keeps what is logged as the log of a task, where the Airflow UI reads it."""

    def __init__(self, ti: Any) -> None:
        super().__init__(logging.INFO)
        place = f"dag_id={ti.dag_id}/run_id={ti.run_id}/task_id={ti.task_id}"
        self.path = Path(
            conf.get("logging", "base_log_folder"), place, f"attempt={ti.try_number}.log"
        )
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def emit(self, record: logging.LogRecord) -> None:
        """Adds a line."""
        told = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
        }
        with self.path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(told) + "\n")


_logs: list[_TaskLog] = []


def _begin(context: Mapping[str, Any]) -> None:
    log = _TaskLog(context["ti"])
    _logs.append(log)
    logging.getLogger().addHandler(log)


def _end() -> None:
    while _logs:
        logging.getLogger().removeHandler(_logs.pop())


def _succeed(context: Mapping[str, Any]) -> None:
    ti = context["ti"]
    found = _found(ti)
    if found:
        _tell(step=ti.task_id, found=found)
    _end()


def _fail(context: Mapping[str, Any]) -> None:
    message = tell_of_failed_task(context)
    page = getattr(getattr(context["exception"], "report", None), "page", None)
    lines = [line for line in message.text.splitlines() if line][1:16] if message else []
    where = (f"Data Docs: {page}",) if page else ()
    _tell(lines=("", f"FAILED in {context['ti'].task_id}", *lines, *where))
    _end()


def _retry(context: Mapping[str, Any]) -> None:
    error = str(context.get("exception"))
    _tell(
        lines=(f"{context['ti'].task_id} failed and is tried again in a minute or more: {error}",)
    )
    _end()


def _found(ti: Any) -> str | None:
    """What a task came to, in a line; None for one that is no step."""
    value = ti.xcom_pull(task_ids=ti.task_id)
    match ti.task_id:
        case "check_data":
            report = value["report"]
            warnings = len(report["warnings"])
            told = f", {warnings} with a warning" if warnings else ""
            return f"passed: {report['rules']} rules on {report['samples']:,} labelled rows{told}"
        case "train_model":
            accuracy = f"{value['test_accuracy']:.1%}"
            return f"{value['train_samples']:,} rows, accuracy {accuracy} on the newest labels"
        case "validate_model":
            decision = ti.xcom_pull(task_ids=ti.task_id, key="decision")
            return str(decision["reasons"][0])
        case "deploy_model":
            return f"deployed: SHA-256 {value['sha256'][:12]}"
        case "skip_deployment":
            return "kept: production is unchanged"
    return None


def _verdict(settings: Settings, run_id: str) -> list[str]:
    candidate = read_candidate(settings.models, run_id)
    metrics, decision = candidate.metrics, candidate.metrics["decision"]
    reasons = decision["reasons"] if decision["deploy"] else decision["reasons"][:3]
    both = {"candidate": metrics["test_accuracy"], "production": decision["production_accuracy"]}
    accuracies = {name: share for name, share in both.items() if share is not None}
    docs = settings.data_docs_dir / "index.html"
    return [
        "",
        f"Verdict: {'deployed' if decision['deploy'] else 'kept'} (run {run_id})",
        *(f"  - {reason}" for reason in reasons),
        "",
        *_bars("Labels", metrics["class_counts"], "{:,}"),
        *_bars("Accuracy", accuracies, "{:.1%}"),
        "",
        f"Model      {settings.models.where(PRODUCTION)}",
        f"Report     {settings.models.where(f'{candidate.folder}/{REPORT_PAGE_FILE}')}",
        f"Data Docs  {docs}",
        *_NEXT,
    ]


def _bars(title: str, values: Mapping[str, float], form: str) -> list[str]:
    most = 1 if title == "Accuracy" else max(values.values())
    return [
        f"{title if not k else '':<10} {name:<13} {'█' * round(_WIDEST * value / most):<{_WIDEST}} "
        f"{form.format(value)}"
        for k, (name, value) in enumerate(values.items())
    ]


def _tell(**event: Any) -> None:
    """Reports to whoever tells the story; to the log, if nobody does."""
    line = json.dumps(event) + "\n"
    pipe = os.environ.get("DEMO_EVENTS")
    if pipe:
        os.write(int(pipe), line.encode())
    else:
        sys.stdout.write(line)


if __name__ == "__main__":
    sys.exit(main())
