"""Our pages in the Airflow UI with many runs behind them, against Airflow's own list of runs.

    python -m benchmarks.pages [--runs 500] [--repetitions 30]

One api-server answers all of them by turns. Two runs are real; the others are copies of the first's
files under other ids and times, and runs of the paused DAG in Airflow's database. Data Docs are
copied before the second run, which keeps 200 of them; candidates after it, many more than the ten
that a pipeline keeps.
"""

import argparse
import json
import os
import shutil
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from urllib.parse import quote

import pytest
from tabulate import tabulate

from benchmarks.results import put_section
from ml.json_files import as_json
from ml.registry.names import METRICS_FILE, candidate_folder
from ml.report.models_page import MOST_RUNS
from tests.conftest import REPOSITORY
from tests.dags.home import Home, embedded_home, small_market
from tests.services.scheduler import Airflow, dags_without_schedule, running_airflow

DAG = "regime_model_training"
SEEN = {
    "Airflow's list of 100 runs": "total_entries",
    "Models": "In production",
    "Report of a run": "Accuracy on the holdout",
    "Data Docs": "Runs of the data gate",
    "Data Docs of a run": "labelled samples",
}
"""What an answer must hold; Airflow answers unknown addresses with its empty page."""
AIRFLOWS_LIST = f"api/v2/dags/{DAG}/dagRuns?limit=100"
_HOUR = timedelta(hours=1)


def copy_data_docs(home: Home, run_id: str, copies: int) -> None:
    """Gives the Data Docs of a run to earlier runs of other ids."""
    for file in [*home.docs.rglob("*.json"), *home.docs.rglob(f"*/{run_id}/*/*.html")]:
        moment = datetime.strptime(file.parent.name, "%Y%m%dT%H%M%S.%f%z")
        content = file.read_text(encoding="utf-8")
        for k in range(1, copies + 1):
            earlier = moment - k * _HOUR
            name = f"{earlier:%Y%m%dT%H%M%S.%f}Z"
            target = file.parents[2] / _copied(run_id, k) / name / file.name
            target.parent.mkdir(parents=True)
            text = content.replace(run_id, _copied(run_id, k))
            text = text.replace(moment.isoformat(), earlier.isoformat())
            target.write_text(text, encoding="utf-8")


def copy_candidates(home: Home, run_id: str, copies: int) -> None:
    """Gives the candidate of a run to earlier runs of other ids."""
    source = home.models / candidate_folder(run_id)
    metrics = json.loads((source / METRICS_FILE).read_bytes())
    trained = datetime.fromisoformat(metrics["trained_at"])
    for k in range(1, copies + 1):
        target = home.models / candidate_folder(_copied(run_id, k))
        shutil.copytree(source, target)
        earlier = (trained - k * _HOUR).isoformat()
        changed = metrics | {"run_id": _copied(run_id, k), "trained_at": earlier}
        (target / METRICS_FILE).write_bytes(as_json(changed))


def measure(
    airflow: Airflow, pages: dict[str, str], repetitions: int
) -> dict[str, tuple[float, int]]:
    """Asks for each by turns, after a round that does not count; median seconds, and bytes."""
    seconds: dict[str, list[float]] = {name: [] for name in pages}
    size = {}
    for _ in range(repetitions + 1):
        for name, page in pages.items():
            start = time.perf_counter()
            answer = airflow.session.get(f"{airflow.address}/{page}", timeout=60)
            seconds[name].append(time.perf_counter() - start)
            answer.raise_for_status()
            if SEEN[name] not in answer.text:
                raise SystemExit(f"{name}: /{page} is not the page that was meant")
            size[name] = len(answer.content)
    return {name: (median(values[1:]), size[name]) for name, values in seconds.items()}


def prepare(airflow: Airflow, home: Home, runs: int) -> dict[str, str]:
    """Runs twice, fills in the others, and gives the addresses to compare by name."""
    airflow.unpause(DAG)
    first = _succeeded(airflow, DAG)
    copy_data_docs(home, first, runs - 2)
    last = _succeeded(airflow, DAG)
    copy_candidates(home, first, runs - 2)
    airflow.pause(DAG)
    for _ in range(runs - 2):
        airflow.trigger(DAG)
    found = airflow.get(f"dags/{DAG}/dagRuns?limit=1")["total_entries"]
    if found < runs:
        raise SystemExit(f"Airflow has {found} runs, not {runs}")
    run = quote(last)
    pages = ("models", f"report?run_id={run}", "data-docs/", f"data-docs/run?run_id={run}")
    return dict(
        zip(SEEN, (AIRFLOWS_LIST, *(f"regime-model/{page}" for page in pages)), strict=True)
    )


def _succeeded(airflow: Airflow, dag_id: str) -> str:
    run_id = airflow.trigger(dag_id)
    state, tasks = airflow.finished(dag_id, run_id)
    if state != "success":
        raise SystemExit(f"The run failed: {tasks}")
    return run_id


def _copied(run_id: str, k: int) -> str:
    return f"{run_id}-{k}"


def as_table(measured: dict[str, tuple[float, int]]) -> str:
    """Formats what was measured."""
    base = next(iter(measured.values()))[0]
    lines = [
        (name, f"{1000 * seconds:.0f}", f"{size / 1024:,.0f}", f"{seconds / base:.2f}")
        for name, (seconds, size) in measured.items()
    ]
    headers = ("page", "ms", "KB", "× Airflow's list")
    return tabulate(lines, headers, tablefmt="github", disable_numparse=True)


def as_section(measured: dict[str, tuple[float, int]], runs: int, repetitions: int) -> str:
    """The section of RESULTS.md."""
    return f"""`python -m benchmarks.pages --runs {runs} --repetitions {repetitions}`,
{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, one api-server with one worker, SQLite.

{as_table(measured)}

Median of {repetitions} alternating requests over one connection to the same api-server, login and
permissions included. They are compared with the request behind Airflow's own list of the runs of
the DAG, `GET /{AIRFLOWS_LIST}`.
Airflow has {runs} runs of the DAG. MODELS_DIR has {runs} candidates (a pipeline keeps ten), of
which the page shows the newest {MOST_RUNS}; Data Docs have the 200 runs that are kept. *Data Docs
of a run* holds the redirection to the page and the page."""


def main() -> None:
    """Measures, prints the table and keeps it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--repetitions", type=int, default=30)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patched:
        folder = Path(name)
        patched.setenv("AIRFLOW__CORE__PLUGINS_FOLDER", str(REPOSITORY / "plugins"))
        home = embedded_home(folder, patched, lambda: "")
        home.load(small_market())
        with running_airflow(folder / "airflow", dags_without_schedule(folder)) as airflow:
            pages = prepare(airflow, home, given.runs)
            measured = measure(airflow, pages, given.repetitions)
    print(as_table(measured))
    put_section("Pages", as_section(measured, given.runs, given.repetitions))


if __name__ == "__main__":
    main()
