"""What Airflow's own start costs beside ours: parsing the DAG file, a run, and `make demo`.

    python -m benchmarks.starting [--repetitions 5]

In seconds of the processor, children included: what else runs on the machine hardly counts then.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measuring import aim, made_by, processor_by_turns, run_quietly, table_of
from benchmarks.results import put_section

_REPOSITORY = Path(__file__).resolve().parent.parent
_PARSE = """
from pathlib import Path
from airflow.dag_processing.dagbag import DagBag
folder = Path({folder!r})
bag = DagBag({file!r}, bundle_name="bench", bundle_path=folder)
assert len(bag.dags) == 1 and not bag.import_errors, bag.import_errors
"""
_NOTES = """Parsing is a process that parses the file, as each task's process does. The run is
`airflow dags test`, all tasks one after the other in one process; the graph with empty tasks is
`benchmarks/dags/empty_graph.py`, and the work is what the same functions take in a process that
has them imported. The demo is what `make demo` runs once all is installed: it repeats the
training."""


@contextmanager
def airflow_home(*, migrated: bool = True) -> Iterator[dict[str, str]]:
    """The environment of an Airflow of its own that has our DAGs and the empty ones."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dags = folder / "dags"
        dags.mkdir()
        for file in (*_REPOSITORY.glob("dags/*.py"), *_REPOSITORY.glob("benchmarks/dags/*.py")):
            (dags / file.name).symlink_to(file)
        connection = {"conn_type": "chdb", "extra": {"path": str(folder / "clickhouse")}}
        home = {
            "AIRFLOW_HOME": name,
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW_CONN_CLICKHOUSE_DEFAULT": json.dumps(connection),
            "AIRFLOW_VAR_MODELS_DIR": str(folder / "models"),
            "AIRFLOW_VAR_DATA_DOCS_DIR": str(folder / "docs"),
            "PYTHONPATH": str(_REPOSITORY),
        }
        if migrated:
            run_quietly([sys.executable, "-m", "airflow", "db", "migrate"], **home)
        yield home


def parsing(repetitions: int) -> dict[str, float]:
    """Seconds of a process that parses a hello-world DAG, and ours."""
    files = {
        "hello world": _REPOSITORY / "benchmarks/dags/hello_world.py",
        "ours": _REPOSITORY / "dags/regime_model_training.py",
    }
    commands = {
        name: [sys.executable, "-c", _PARSE.format(file=str(file), folder=str(file.parent))]
        for name, file in files.items()
    }
    with airflow_home(migrated=False) as home:
        return processor_by_turns(commands, repetitions, **home)


def running(repetitions: int) -> dict[str, float]:
    """Seconds of the demo after its first time, and of runs of empty DAGs."""
    test = [sys.executable, "-m", "airflow", "dags", "test"]
    commands = {
        "airflow dags test of a hello-world DAG": [*test, "hello_world"],
        "the graph with empty tasks": [*test, "empty_graph"],
        "our DAG": [*test, "regime_model_training"],
        "make demo, again": [sys.executable, "-m", "pipeline.demo"],
        "the work itself": [sys.executable, "-m", "benchmarks.work"],
        "importing what it uses": [sys.executable, "-m", "benchmarks.work", "--only-import"],
    }
    with airflow_home() as home:
        run_quietly(commands["make demo, again"], **home)
        return processor_by_turns(commands, repetitions, **home)


def aims_of(found: dict[str, float]) -> list[str]:
    """What was aimed at."""
    work = found["the work itself"] - found["importing what it uses"]
    empty = found["the graph with empty tasks"]
    hello = found["airflow dags test of a hello-world DAG"]
    parsed = found["parse ours"] / found["parse hello world"]
    aims = (
        ("parsing our DAG file over a hello-world DAG's", parsed, 1.2),
        ("our DAG run less the work, over the empty graph", (found["our DAG"] - work) / empty, 2),
        (
            "`make demo`, second call, over an empty DAG's test",
            found["make demo, again"] / hello,
            2.5,
        ),
    )
    return [aim(told, ratio, most=most, limit=ratio) for told, ratio, most in aims]


def main() -> None:
    """Measures, prints the table and keeps it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    given = parser.parse_args()
    found = {f"parse {what}": s for what, s in parsing(given.repetitions).items()}
    found |= running(given.repetitions)
    table = table_of(("what", "processor s"), [(k, f"{v:.2f}") for k, v in found.items()])
    print(table)
    made = made_by(
        f"python -m benchmarks.starting --repetitions {given.repetitions}", "apache-airflow"
    )
    body = [made, table, "\n".join(aims_of(found)), _NOTES]
    put_section("Starting", "\n\n".join(body))


if __name__ == "__main__":
    main()
