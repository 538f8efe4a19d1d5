"""The tasks on millions of labelled rows: seconds and client memory of each, in its own process.

    python -m benchmarks.load [--rows 20000000] [--limit-gib 8]

Snapshot and gate (`check_data`), training and verdict run as Airflow runs them, with the defaults,
against a server of their own over the native protocol. Fails if a task needs more than the limit.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text
from tabulate import tabulate

from benchmarks.market_in_sql import insert_samples
from benchmarks.results import put_section
from clickhouse.engine import opened
from clickhouse.schema import apply_schema
from tests.services.server import Server

RUN: Final = "load"
TASKS: Final = ("check_data", "train_model", "validate_model")


def measure(rows: int) -> list[dict[str, Any]]:
    """Fills a server and runs the tasks one after the other."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Server(folder).start()
        try:
            url = server.url("native")
            with opened(url) as engine, engine.connect() as connection:
                apply_schema(engine)
                insert = insert_samples("regime_features", rows).replace(":", "\\:")
                connection.execute(text(insert))
            connection_as_json = {
                "conn_type": "clickhouse",
                "host": url.host,
                "port": url.port,
                "login": url.username,
                "password": url.password,
                "schema": url.database,
                "extra": {"driver": "native"},
            }
            environment = os.environ | {
                "AIRFLOW_HOME": str(folder / "airflow"),
                "AIRFLOW_CONN_CLICKHOUSE_DEFAULT": json.dumps(connection_as_json),
                "AIRFLOW_VAR_MODELS_DIR": str(folder / "models"),
                "AIRFLOW_VAR_DATA_DOCS_DIR": str(folder / "docs"),
            }
            migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
            subprocess.run(migrate, env=environment, check=True, capture_output=True)
            return [_measured(task, environment) for task in TASKS]
        finally:
            server.kill()


def _measured(task: str, environment: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.load", "--task", task]
    child = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    print(found, file=sys.stderr)
    return found


def run_task(task: str) -> dict[str, Any]:
    """Runs a task in this process; what it hands on lies beside the models, as its XCom would."""
    # They take Airflow.
    from pipeline.settings import read_settings  # noqa: PLC0415
    from pipeline.tasks import check_data as data_check  # noqa: PLC0415
    from pipeline.tasks import train_model as model_training  # noqa: PLC0415
    from pipeline.tasks import validate_model as model_validation  # noqa: PLC0415

    settings = read_settings()
    handed_on = Path(settings.models_dir).with_name("snapshot.json")
    start = time.perf_counter()
    if task == "check_data":
        checked = data_check.check_data(settings, RUN, datetime.now(UTC))
        handed_on.write_text(json.dumps(checked["snapshot"]), encoding="utf-8")
        told = {"rows": checked["snapshot"]["rows"]}
    else:
        snapshot = json.loads(handed_on.read_text(encoding="utf-8"))
        own = {"train_model": model_training, "validate_model": model_validation}[task]
        found = getattr(own, task)(settings, RUN, snapshot)
        told = {"rows": found.get("train_samples") or found["holdout_samples"]}
    seconds = time.perf_counter() - start
    # Together, although they need not peak at once: the examination of the file is a child.
    who = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    peak = sum(resource.getrusage(one).ru_maxrss for one in who) / 2**20
    return {"task": task, **told, "seconds": round(seconds, 1), "peak GiB": round(peak, 2)}


def main() -> None:
    """Measures and writes the section."""
    described = argparse.ArgumentParser(description=__doc__)
    described.add_argument("--rows", type=int, default=20_000_000)
    described.add_argument("--limit-gib", type=float, default=8.0)
    described.add_argument("--task", choices=TASKS, help=argparse.SUPPRESS)
    given = described.parse_args()
    if given.task:
        print(json.dumps(run_task(given.task)))
        return
    found = measure(given.rows)
    body = f"""\
`python -m benchmarks.load --rows {given.rows}`, {datetime.now(UTC):%Y-%m-%d},
{os.cpu_count()} cores, server on the same machine.

{tabulate(found, "keys", "github")}

Rows: frozen and judged, trained on (`MAX_TRAIN_ROWS`), and held out to judge by. Peak memory is
that of the whole process of the task, Airflow and the libraries with it, and of the child that
examines the file, as if both peaked at once."""
    put_section("Load", body)
    print(body)
    if max(row["peak GiB"] for row in found) > given.limit_gib:
        raise SystemExit(f"A task needed more than {given.limit_gib:g} GiB.")


if __name__ == "__main__":
    main()
