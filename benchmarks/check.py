"""Fails when a ratio is worse than its recorded bound by more than 30%.

    python -m benchmarks.check [--record]

The ratios of the benchmarks at a small size, without a server and without peers, in a minute. One
that is too large counts if it is so three times: a busy neighbour goes away, slow code stays slow.
`--record` writes what is found into bounds.json.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, text

from benchmarks.gate import one_statement
from benchmarks.gate_peers import judge_ours
from benchmarks.measuring import by_turns, table_of
from benchmarks.model_file import sizes, speeds
from benchmarks.reading import query_of, read_ours
from benchmarks.starting import parsing
from benchmarks.tables import freeze_market, freeze_random
from benchmarks.training import Fits, samples_of, whole_task
from clickhouse.engine import opened
from clickhouse.snapshot import freeze
from expectations.gate import FrozenTable
from ml.contract import COLUMN_TYPES, FEATURES
from ml.data.split import split_by_time
from ml.training.forest import TrainingOptions, fit_forest

BOUNDS: Final = Path(__file__).with_name("bounds.json")
ALLOWED: Final = 1.3
_ROUNDS: Final = 5
_MORE_TIMES: Final = 2
_SMALL: Final = TrainingOptions(trees=30)


@contextmanager
def _embedded() -> Iterator[tuple[Engine, Path]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with opened(f"clickhouse+chdb:///default?path={folder / 'clickhouse'}") as engine:
            yield engine, folder


def _gate() -> dict[str, float]:
    with _embedded() as (engine, folder):
        snapshot = freeze_random(engine, 50_000)
        frozen = FrozenTable(snapshot.database, snapshot.table, "bench", datetime.now(UTC))
        statement = one_statement(frozen, None).replace(":", "\\:")
        ways = {
            "gate": lambda: judge_ours(engine, snapshot, folder / "docs"),
            "limit": lambda: _ask(engine, statement),
        }
        found = by_turns(ways, _ROUNDS)
    return {"gate over one statement": found["gate"] / found["limit"]}


def _freezing() -> dict[str, float]:
    """Over what it comes to on the server: the bare copy, counted and fingerprinted."""
    with _embedded() as (engine, _):
        snapshot = freeze_random(engine, 100_000)
        columns = ", ".join(COLUMN_TYPES)
        copy = (
            "CREATE OR REPLACE TABLE bare ENGINE = MergeTree ORDER BY (timestamp, symbol) AS "
            f"SELECT {columns} FROM regime_features FINAL WHERE regime_label != ''"
        )
        content = "SELECT count(), sum(reinterpretAsUInt128(sipHash128(tuple(*)))) FROM bare"
        ways = {
            "ours": lambda: freeze(engine, snapshot.table, FEATURES),
            "limit": lambda: (_ask(engine, copy), _ask(engine, content)),
        }
        found = by_turns(ways, _ROUNDS)
    return {"freeze over the bare copy": found["ours"] / found["limit"]}


def _reading() -> dict[str, float]:
    with _embedded() as (engine, _):
        snapshot = freeze_random(engine, 200_000)
        ignored = f"SELECT max(ignore(*)) FROM ({query_of(snapshot)})"
        ways = {
            "ours": lambda: read_ours(engine, snapshot),
            "limit": lambda: _ask(engine, ignored),
        }
        found = by_turns(ways, _ROUNDS)
    return {"reading over its query": found["ours"] / found["limit"]}


def _ask(engine: Engine, sql: str) -> object:
    with engine.connect() as connection:
        return connection.execute(text(sql)).all()


def _training() -> dict[str, float]:
    with _embedded() as (engine, folder):
        snapshot = freeze_market(engine, 10_000)
        fits = Fits(samples_of(engine, snapshot), _SMALL)
        ways = {
            "ours": lambda: whole_task(engine, snapshot, _SMALL, folder),
            "limit": fits.capped,
        }
        found = by_turns(ways, 3, warm=False)
    return {"training task over one fit": found["ours"] / found["limit"]}


def _model_file() -> dict[str, float]:
    with _embedded() as (engine, _):
        samples = samples_of(engine, freeze_market(engine, 5_000))
    split = split_by_time(samples.timestamps, 0.2, timedelta(hours=24))
    train = samples.rows(split.training)
    forest = fit_forest(train.features, train.labels, _SMALL)
    size, speed = sizes(forest, train), speeds(forest, samples.rows(split.holdout), 3)
    return {
        "size of the file over skl2onnx's": size["size"] / size["plain size"],
        "a row through the file over scikit-learn, per mille": (
            1000 * speed["row"] / speed["row, scikit-learn"]
        ),
    }


def _parsing() -> dict[str, float]:
    found = parsing(3)
    return {"parsing over a hello-world DAG": found["ours"] / found["hello world"]}


MEASURES: Final[tuple[Callable[[], dict[str, float]], ...]] = (
    _freezing,
    _gate,
    _reading,
    _training,
    _model_file,
    _parsing,
)


def too_large(found: dict[str, float], bounds: dict[str, float]) -> list[str]:
    """Names the ratios that are above their bound by more than is allowed.

    >>> too_large({"a": 1.4, "b": 1.2}, {"a": 1.0, "b": 1.0})
    ['a']
    """
    return [name for name, ratio in found.items() if ratio > ALLOWED * bounds[name]]


def main() -> int:
    """Measures, prints, and returns 1 if a ratio is too large each time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true")
    record = parser.parse_args().record
    bounds: dict[str, float] = json.loads(BOUNDS.read_text(encoding="utf-8"))
    found: dict[str, float] = {}
    for measure in MEASURES:
        ratios = measure()
        for _ in range(0 if record else _MORE_TIMES):
            if not too_large(ratios, bounds):
                break
            again = measure()
            ratios = {name: min(ratio, again[name]) for name, ratio in ratios.items()}
        found |= ratios
    if record:
        rounded = {name: float(f"{ratio:.2g}") for name, ratio in found.items()}
        BOUNDS.write_text(json.dumps(rounded, indent=2) + "\n", encoding="utf-8")
        return 0
    lines = [(name, f"{ratio:.2f}", f"{bounds[name]:g}") for name, ratio in found.items()]
    print(table_of(("ratio", "found", "bound"), lines))
    worse = too_large(found, bounds)
    if worse:
        print(f"More than {ALLOWED - 1:.0%} above the bound in {BOUNDS.name}: {', '.join(worse)}.")
        print("Run it again on a quiet machine; if it stays, find what became slower.")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
