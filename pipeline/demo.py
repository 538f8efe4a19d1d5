"""`make demo`: a sample market, one run of the DAG, and where to look at what came of it."""

import sys
from datetime import UTC, datetime

from airflow.sdk import DagRunState
from airflow.utils.cli import get_bagged_dag

from clickhouse.schema import apply_schema
from ml.registry.models import read_candidate
from ml.registry.names import PRODUCTION, PRODUCTION_METRICS, REPORT_PAGE_FILE
from pipeline.connection import clickhouse_engine
from pipeline.settings import read_settings
from sample_market import MarketSpec, simulate
from sample_market.loading import count_rows, insert

DAG_ID = "regime_model_training"
_FAILED = """
The run FAILED; production is unchanged. The message above says why and what to do."""


def main() -> int:
    """Runs the demo; returns 0 only if the run succeeded."""
    load_market_if_empty()
    dag = get_bagged_dag(bundle_names=None, dag_id=DAG_ID)
    run = dag.test(logical_date=datetime.now(UTC))
    succeeded = run.state == DagRunState.SUCCESS
    print(_verdict(run.run_id) if succeeded else _FAILED)
    return 0 if succeeded else 1


def load_market_if_empty() -> None:
    """Fills the embedded ClickHouse; a server of your own is never written to."""
    with clickhouse_engine() as engine:
        if engine.url.get_driver_name() != "chdb":
            return
        apply_schema(engine)
        if not count_rows(engine):
            insert(engine, simulate(MarketSpec()))


def _verdict(run_id: str) -> str:
    settings = read_settings()
    models = settings.models
    candidate = read_candidate(models, run_id)
    decision = candidate.metrics["decision"]
    outcome = "DEPLOYED" if decision["deploy"] else "NOT DEPLOYED, production is unchanged"
    places = {
        "model in production": models.where(PRODUCTION),
        "its numbers": models.where(PRODUCTION_METRICS),
        "report of this run": models.where(f"{candidate.folder}/{REPORT_PAGE_FILE}"),
        "Data Docs": settings.data_docs_dir / "index.html",
    }
    return "\n".join(
        [
            "",
            f"Verdict of run {run_id}: {outcome}",
            *(f"  - {reason}" for reason in (*decision["reasons"], *decision["notes"])),
            "",
            *(f"  {name:<20} {place}" for name, place in places.items()),
            "",
            "  Next: `make demo` again, `make ui` for the Airflow UI, README.md for your own data.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
