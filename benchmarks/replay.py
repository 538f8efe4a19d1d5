"""What a replay says of markets whose truth is known, and what a week of it costs.

    python -m benchmarks.replay [--histories 60]
    python -m benchmarks.replay --rows 1000000 [--weeks 3 6]

Simulated markets of 5,000 labelled rows are replayed with small forests: one that never changes,
and one in which the regimes swap their nature half-way. Then models of known accuracy are planted,
with the errors of `benchmarks.promotion`: candidates are as good as the first model,
or three points worse.
The section "Replay" of RESULTS.md is written anew; with --rows, "Memory of a replay": peaks of
processes that replay weeks of so many rows, and of one that trains and validates the last week.
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.stats import norm
from sqlalchemy import Engine

from benchmarks.measuring import aim, in_child, made_by, table_of
from benchmarks.promotion import MARKETS, PRODUCTION, draw_week, simulate_weeks
from benchmarks.results import put_section
from benchmarks.tables import freeze_market, running_server, url_of
from clickhouse.engine import open_engine, opened
from clickhouse.schema import apply_schema
from clickhouse.snapshot import Snapshot, earlier_part, find_snapshot, freeze, verify
from clickhouse.thinning import count_by_time
from ml.contract import FEATURES, REGIMES
from ml.data.reading import read_training_rows
from ml.evaluation.promotion import Evidence, PromotionThresholds
from ml.evaluation.validation import judge_candidate
from ml.registry.models import write_candidate
from ml.replay.findings import compare_rules
from ml.replay.fitting import run_id_of
from ml.replay.plan import Plan, sundays
from ml.replay.rules import Candidate, History, Rule, follow
from ml.replay.run import replay
from ml.training.candidate import build_candidate
from ml.training.forest import TrainingOptions
from ml.training.metrics import Provenance
from ml.words import points
from sample_market import MarketSpec, simulate
from sample_market.loading import insert
from tests.ml.replay_world import of_labels

SWAPPED: Final = {"trend_up": "distribution", "range": "volatile", "breakout": "accumulation"}
END: Final = datetime(2026, 11, 27, tzinfo=UTC)
OPTIONS: Final = TrainingOptions(trees=40, cv_trees=8)
ROWS: Final = 400
"""Labelled rows of a planted holdout."""
WEEKS: Final = 30


def market(*, changes: bool) -> pd.DataFrame:
    """A year of four symbols with 5,000 labels; where it changes, regimes swap names half-way."""
    frame = simulate(MarketSpec(rows=33_600, seed=5, labelled_share=5_000 / 33_600, end=END))
    if changes:
        both = SWAPPED | {new: old for old, new in SWAPPED.items()}
        later = frame["timestamp"] > frame["timestamp"].quantile(0.5)
        swapped = frame["regime_label"].replace(both)
        frame["regime_label"] = frame["regime_label"].where(~later, swapped)
    return frame


@contextmanager
def loaded(frame: pd.DataFrame) -> Iterator[tuple[Engine, Path]]:
    """A ClickHouse with a market, and a folder."""
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"clickhouse+chdb:///default?path={folder}/clickhouse")
        apply_schema(engine)
        insert(engine, frame)
        yield engine, Path(folder)
        engine.dispose()


def replayed(*, changes: bool, weeks: int) -> dict[str, Any]:
    """Replays a market."""
    thresholds = PromotionThresholds(min_accuracy=0.5)
    with loaded(market(changes=changes)) as (engine, folder):
        plan = Plan(weeks, options=OPTIONS, thresholds=thresholds)
        return replay(engine, plan, folder / "out")


def seconds_of_week(weeks: int) -> tuple[float, float]:
    """Seconds of a replayed week, and of training and validating the same rows as a run does."""
    with loaded(market(changes=False)) as (engine, folder):
        plan = Plan(weeks)
        start = time.perf_counter()
        found = replay(engine, plan, folder / "out")
        replaying = time.perf_counter() - start
        rows = freeze(engine, "ratio", FEATURES)
        spent = sum(
            train_and_validate(engine, rows, plan, datetime.fromisoformat(line["sunday"]), folder)
            for line in found["sundays"]
        )
    return replaying / weeks, spent / weeks


def train_and_validate(
    engine: Engine, rows: Snapshot, plan: Plan, sunday: datetime, folder: Path
) -> float:
    """Seconds that a run takes on the rows before a Sunday."""
    cut = plan.holdout_fraction, plan.embargo
    with earlier_part(engine, rows, sunday) as part:
        start = time.perf_counter()
        verify(engine, part)
        samples = read_training_rows(engine, part, *cut, plan.options.max_train_rows)
        known = Provenance(run_id_of(sunday), part.name, part.fingerprint, sunday)
        built = build_candidate(samples, plan.options, *cut, known)
        write_candidate(folder / "models", known.run_id, built.files())
        judge_candidate(folder / "models", known.run_id, samples, plan.thresholds)
        return time.perf_counter() - start


def peak(url: str, table: str, weeks: int) -> float:
    """GiB of this process and its largest child at their highest: of a replay, or of one run.

    Args:
        url: of the server.
        table: frozen rows.
        weeks: to replay; 0 trains and validates the last one instead.
    """
    plan = Plan(weeks or 1, options=OPTIONS, thresholds=PromotionThresholds(min_accuracy=0.3))
    with opened(url) as engine, tempfile.TemporaryDirectory() as folder:
        rows = find_snapshot(engine, table)
        if weeks:
            replay(engine, plan, Path(folder) / "out", snapshot=rows)
        else:
            (last,) = sundays(count_by_time(engine, rows, REGIMES).timestamps, plan)
            train_and_validate(engine, rows, plan, last, Path(folder))
    who = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    return sum(resource.getrusage(one).ru_maxrss for one in who) / 2**20


def memory(rows: int, weeks: list[int]) -> None:
    """Measures peaks and writes their section."""
    with running_server() as server:
        with opened(server.url("native")) as engine:
            table = freeze_market(engine, rows).name
        url = url_of(server, "native")
        run, *peaks = (
            in_child("benchmarks.replay", url=url, table=table, weeks=count)
            for count in (0, *weeks)
        )
    lines = [["one week trained and validated", f"{run:.2f}", "1.00"]]
    for count, found in zip(weeks, peaks, strict=True):
        lines.append([f"{count} weeks replayed", f"{found:.2f}", f"{found / run:.2f}"])
    told = f"replay of {rows:,} rows, memory over that of one train and validate"
    listed = " ".join(map(str, weeks))
    body = f"""\
{made_by(f"python -m benchmarks.replay --rows {rows} --weeks {listed}", "scikit-learn")}

{table_of(["process", "peak GiB", "× one week"], lines)}

{aim(told, max(peaks) / run, most=1.25)}
{aim(f"the same, {weeks[-1]} weeks over {weeks[0]}", peaks[-1] / peaks[0], most=1.05)}

Peaks of a process and its largest child together, as if both peaked at once; the server is another
process. Forests have {OPTIONS.trees} trees on both sides: larger ones are in both peaks alike."""
    put_section("Memory of a replay", body)
    print(body)


def planted(seed: int) -> tuple[History, list[float]]:
    """A history of models of known accuracy: later ones are as good or worse."""
    rng = np.random.default_rng(seed)
    truths = [PRODUCTION, *rng.choice([PRODUCTION - 0.03, PRODUCTION], WEEKS - 1)]
    n = ROWS * (WEEKS + 1)
    shared = draw_week(n, MARKETS[0], rng).production
    samples = of_labels(np.zeros(n, np.uint8), "2026-01-04T02:00:00", 1512)
    candidates = []
    for number, truth in enumerate(truths):
        own = draw_week(n, MARKETS[0], rng).production
        latent = np.sqrt(MARKETS[0].shared) * shared + np.sqrt(1 - MARKETS[0].shared) * own
        right, holdout = latent < norm.ppf(truth), slice(number * ROWS, (number + 1) * ROWS)
        evidence = Evidence(ROWS, int(right[holdout].sum()), ROWS // 3)
        old = {"train_start": "2020-01-01T00:00:00", "train_end": "2020-12-01T00:00:00"}
        named = (~right[holdout.start :]).astype(np.uint8)
        candidates.append(Candidate(evidence, holdout, old, named))
    weeks = [slice((k + 1) * ROWS, (k + 2) * ROWS) for k in range(WEEKS)]
    return History(samples, weeks, candidates), truths


def wrong_share(histories: int) -> tuple[float, int]:
    """How often a candidate three points worse than what was live replaced it, and of how many.

    Each history is followed by the rule that the replay of it recommends.
    """
    replaced = seen = 0
    for seed in range(histories):
        history, truths = planted(seed)
        compared = compare_rules(history, Rule(PromotionThresholds()), 0)
        chosen = compared["rules"][compared["recommended"]]["settings"]
        names = ("MIN_ACCURACY", "MIN_IMPROVEMENT", "MAX_P_VALUE")
        thresholds = PromotionThresholds(*(chosen[name] for name in names))
        live = follow(history, Rule(thresholds, schedule=chosen["schedule"]), 0).live
        for number in range(1, WEEKS):
            if truths[number] < truths[live[number - 1]]:
                seen += 1
                replaced += live[number] == number
    return replaced / max(seen, 1), seen


def _retraining(found: dict[str, Any]) -> list[str]:
    low, high = found["retraining"]["interval"]
    lead = f"{points(found['retraining']['lead'])} ({points(low)} to {points(high)})"
    return [str(len(found["sundays"])), lead, found["says"][1]]


def main() -> None:
    """Runs all and writes the section."""
    described = argparse.ArgumentParser(description="What a replay says where the truth is known.")
    described.add_argument("--histories", type=int, default=60)
    described.add_argument("--rows", type=int)
    described.add_argument("--weeks", type=int, nargs="+", default=[3, 6])
    described.add_argument("--task", type=json.loads, help=argparse.SUPPRESS)
    given = described.parse_args()
    if given.task:
        print(json.dumps(peak(**given.task)))
        return
    if given.rows:
        memory(given.rows, given.weeks)
        return
    changing, steady = replayed(changes=True, weeks=44), replayed(changes=False, weeks=16)
    week, run = seconds_of_week(8)
    wrong, seen = wrong_share(given.histories)
    expected = simulate_weeks(ROWS, MARKETS[0], 1_000, 7).live["plain", -0.03]
    table = table_of(
        ["market", "Sundays", "weekly over never, points (95%)", "it says"],
        [["changes half-way", *_retraining(changing)], ["never changes", *_retraining(steady)]],
    )
    ratio = week / run
    lows = [100 * found["retraining"]["interval"][0] for found in (changing, steady)]
    going_live = "replay, worse models that go live less those of the promotion benchmark, points"
    aims = (
        aim("replay, weekly over never where regimes change, low end, points", lows[0], least=0.01),
        aim("replay, the same where nothing changes", lows[1], most=0),
        aim("replay, seconds of a week over train and validate", ratio, most=1.1, limit=ratio),
        aim(going_live, 100 * abs(wrong - expected), most=3),
    )
    body = f"""\
{made_by(f"python -m benchmarks.replay --histories {given.histories}", "scikit-learn")}

{table}

{chr(10).join(aims)}

A replayed week takes {week:.2f} s, training and validating the same rows one after the other
{run:.2f} s. Under the recommended setting {wrong:.1%} of {seen:,} candidates that are truly three
points worse went live; the promotion benchmark gives {expected:.1%} at {ROWS} rows."""
    put_section("Replay", body)
    print(body)


if __name__ == "__main__":
    main()
