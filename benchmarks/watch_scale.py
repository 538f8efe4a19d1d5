"""What it costs to look at a day of very many rows: seconds, and memory on this side.

    python -m benchmarks.watch_scale [--rows 10000000]

The rows are those of yesterday, of 200 symbols; production has 200 trees. Each way of reaching
ClickHouse looks in a process of its own. The section "Watching many rows" of RESULTS.md is written
anew.
"""

import argparse
import json
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from benchmarks.market_in_sql import insert_samples
from benchmarks.measuring import aim, growth_in_mb, in_child, made_by, table_of
from benchmarks.results import put_section
from benchmarks.tables import running_server, url_of
from clickhouse.engine import opened
from clickhouse.schema import apply_schema
from clickhouse.watching import read_days, write_day
from ml.registry.models import Production
from ml.training.forest import TrainingOptions
from ml.watch.day import Watched, go_on
from pipeline.watching import Watcher
from sample_market import MarketSpec, simulate
from tests.dags.small_models import market_candidate

SYMBOLS = 200


def fill(url: str, rows: int) -> None:
    """Writes the rows of yesterday."""
    with opened(url) as engine, engine.connect() as connection:
        apply_schema(engine)
        filled = insert_samples("regime_features", rows, SYMBOLS, 1)
        connection.execute(text(filled.replace(":", "\\:")))


def look(url: str, model: str) -> dict[str, float]:
    """Looks at yesterday as the task does, after a day on which there was nothing."""
    production = Production.of(Path(model).read_bytes())
    taken: dict[str, float] = {}
    with opened(url) as engine:
        watcher = Watcher.at(engine, None, production)
        read_days(engine, None)
        empty = {"rows": 0, "feeds": {"": [0, 0]}}
        write_day(engine, None, watcher.now.date() - timedelta(days=2), empty)

        def work() -> None:
            begun = time.perf_counter()
            seen = watcher.look_at_days()
            watched = Watched(production.sha256, {}, watcher.profile)
            outcome = go_on(seen.onto(seen.known), seen.looked, watched, ())
            taken["seconds"] = time.perf_counter() - begun
            taken["rows"] = outcome.facts[outcome.day]["rows"]

        taken["MB"] = growth_in_mb(work)
    return taken


def _do(url: str, rows: int = 0, model: str = "") -> dict[str, float]:
    if rows:
        fill(url, rows)
        return {}
    return look(url, model)


def main() -> None:
    """Measures each way and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--task", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        print(json.dumps(_do(**given.task)))
        return
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "model.onnx")
        built = market_candidate(simulate(MarketSpec()), TrainingOptions(cv_folds=2, cv_trees=2))
        model.write_bytes(built.model)
        embedded = f"clickhouse+chdb:///default?path={folder}/clickhouse"
        in_child("benchmarks.watch_scale", url=embedded, rows=given.rows)
        found["chdb"] = in_child("benchmarks.watch_scale", url=embedded, model=str(model))
        with running_server() as server:
            fill(url_of(server, "native"), given.rows)
            for protocol in ("native", "http"):
                url = url_of(server, protocol)
                found[protocol] = in_child("benchmarks.watch_scale", url=url, model=str(model))
    report(found, given.rows)


def report(found: dict[str, dict[str, float]], rows: int) -> None:
    """Writes the section."""
    lines = [
        (way, f"{one['rows']:,}", f"{one['seconds']:.1f}", f"{one['MB']:,.0f}")
        for way, one in found.items()
    ]
    aims = [
        aim(f"a day of {rows:,} rows, {way}: {what}", one[key], most=most)
        for way, one in found.items()
        for what, key, most in (("seconds", "seconds", 60), ("MB of this side", "MB", 1024))
    ]
    table = table_of(("way", "rows of the day", "seconds", "MB of this side"), lines)
    made = made_by(f"python -m benchmarks.watch_scale --rows {rows}", "great-expectations", "chdb")
    note = "With chdb the engine itself is in this process, so its memory is counted too."
    body = "\n\n".join([made, table, "\n".join(aims), note])
    put_section("Watching many rows", body)
    print(body)


if __name__ == "__main__":
    main()
