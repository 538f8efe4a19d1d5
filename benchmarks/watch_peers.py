"""Evidently and NannyML against the watch: alarms on quiet days, faults noticed, what a day costs.

    python -m benchmarks.watch_peers quiet [--markets 5] [--days 30]
    python -m benchmarks.watch_peers faults
    python -m benchmarks.watch_peers large [--sizes 100000 1000000] [--rounds 3]

Markets, days and faults are those of `benchmarks.watch`. The peers are given what the model is
given, with its answers and the symbol, and all rows before the first day as their reference.
The section of RESULTS.md is written anew.
"""

import argparse
import logging
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.stats import t
from sqlalchemy import text

from benchmarks.measuring import aim, in_child, made_by, table_of
from benchmarks.peers import ANSWER, LABEL, NAMES, TIME, ask, versions_of
from benchmarks.results import put_section
from benchmarks.watch import BEFORE, FAULTS, SPLIT, Frame, Market, broken_market, market_of, watch
from clickhouse.engine import opened
from ml.contract import FEATURES, REGIMES
from ml.inputs import INPUTS, forest_inputs
from ml.onnx_model import load_model, score
from ml.training.forest import TrainingOptions
from sample_market import MarketSpec, simulate
from tests.dags.small_models import market_candidate

Told = dict[date, list[str]]
WAYS: Final = ("ours", *NAMES)
REFERENCE: Final = 23_040
"""Rows of the reference of one large day, as many as a market has."""


def write_rows(market: Market, frame: Frame, days: int, folder: str) -> None:
    """Writes what the peers read: the rows before the first day, and those of the days."""
    features = frame[list(FEATURES)].to_numpy()
    found = pd.DataFrame(forest_inputs(features), columns=list(INPUTS))
    answers, chances = score(load_model(market.production.model), features)
    found[["symbol", TIME, LABEL]] = frame[["symbol", TIME, "regime_label"]].to_numpy()
    found[TIME] = pd.to_datetime(found[TIME])
    unseen = pd.Timestamp((market.production.metrics or {})["holdout_start"]).tz_localize(None)
    found.loc[found[TIME] < unseen, LABEL] = ""  # of rows it has learned it is too sure
    found[ANSWER] = np.array(REGIMES)[answers]
    found[[f"p {name}" for name in REGIMES]] = chances
    begin, end = (pd.Timestamp(market.begin + timedelta(days=k)) for k in (0, days))
    found = found.sort_values(TIME, ignore_index=True)
    reference = found[found[TIME] < begin]
    reference.to_parquet(Path(folder, "reference.parquet"))
    now = (found[TIME] >= begin) & (found[TIME] < end)
    found[now].to_parquet(Path(folder, "days.parquet"))


def watched(market: Market, frame: Frame, days: int) -> dict[str, tuple[Told, float]]:
    """What each way tells of the days of a market, and its seconds a day."""
    begun = time.perf_counter()
    told = watch(market, frame, market.begin, days)
    worrying = {day: [t for t in things if "well: " not in t] for day, things in told.items()}
    seconds = (time.perf_counter() - begun) / days
    found = {"ours": ({day: things for day, things in worrying.items() if things}, seconds)}
    with tempfile.TemporaryDirectory() as folder:
        write_rows(market, frame, days, folder)
        for peer in NAMES:
            one = ask(work="watch", folder=folder, peer=peer)
            by_day = {date.fromisoformat(day): list(t) for day, t in one["told"].items() if t}
            found[peer] = by_day, float(np.mean(one["seconds"]))
    return found


def interval(values: Sequence[float]) -> str:
    """The mean over markets, with a t interval."""
    mean, spread = np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))
    reach = t.ppf(0.975, len(values) - 1) * spread
    return f"{mean:.3g} ({mean - reach:.3g} to {mean + reach:.3g})"


def quiet(markets: int, days: int) -> tuple[str, list[str]]:
    """Days alarmed and seconds a day where nothing is wrong."""
    shares: dict[str, list[float]] = {}
    costs: dict[str, list[float]] = {way: [] for way in WAYS}
    for seed in range(100, 100 + markets):
        market = market_of(seed, days)
        found = watched(market, market.frame, days)
        for way, (told, seconds) in found.items():
            costs[way].append(seconds)
            for name, of_way in split_up(way, told).items():
                shares.setdefault(name, []).append(100 * len(of_way) / days)
        print(seed, {name: values[-1] for name, values in shares.items()}, flush=True)
    ratios = {way: np.array(costs[way]) / np.array(costs["ours"]) for way in WAYS}
    lines = [
        (
            name,
            f"{sum(values) * days / 100:.0f} of {markets * days}",
            interval(values),
            f"{np.mean(costs[way]):.2f}",
            interval(list(ratios[way])) if way != "ours" else "1",
        )
        for name, values in shares.items()
        for way in [next(w for w in WAYS if name.startswith(w))]
    ]
    heads = ("way", "days alarmed", "%, mean of markets (95%)", "s a day", "× ours (95%)")
    own = float(np.mean(shares["ours"]))
    aims = [aim(f"quiet days alarmed, ours, % of {markets} x {days}", own, most=1)]
    aims += [
        aim(f"quiet days alarmed, {name} less ours, %", float(np.mean(values)) - own, least=5)
        for name, values in shares.items()
        if name != "ours"
    ]
    aims += [
        aim(f"{way} over ours, seconds of a day of 96 rows", float(ratios[way].mean()), least=1)
        for way in NAMES
    ]
    return table_of(heads, lines), aims


def split_up(way: str, told: Told) -> dict[str, Told]:
    """The alarms of a way by kind: of a peer those of any column, and its one overall verdict."""
    if way == "ours":
        return {way: told}
    overall = {"Evidently": "dataset", "NannyML": "accuracy"}[way]
    kinds = {f"{way}, any column": False, f"{way}, {overall}": True}
    return {
        name: {
            day: kept
            for day, things in told.items()
            if (kept := [x for x in things if (x.startswith(overall) is whole)])
        }
        for name, whole in kinds.items()
    }


def faults(seed: int) -> tuple[str, list[str]]:
    """Who alarms on the day of a fault or the next one, and with something new."""
    lines, met = [], dict.fromkeys(WAYS, 0)
    for fault in (*FAULTS, SPLIT):
        market, frame = broken_market(fault, seed)
        cells = []
        for way, (told, _) in watched(market, frame, BEFORE + 2).items():
            before, after = _halves(told, market.begin + timedelta(days=BEFORE))
            new = sorted(after - before)
            met[way] += bool(new)
            kept = f"{', '.join(new[:3])}{f' and {len(new) - 3} more' if len(new) > 3 else ''}"
            cells.append(kept or ("nothing new" if after else "nothing"))
        print(fault, cells, flush=True)
        lines.append((fault, *cells))
    aims = [
        aim(
            f"kinds of faults noticed by something new, ours less {peer}",
            met["ours"] - met[peer],
            least=0,
        )
        for peer in NAMES
    ]
    total = ("noticed", *(f"{met[way]} of {len(lines)}" for way in WAYS))
    return table_of(("fault", *WAYS), [*lines, total]), aims


def _halves(told: Told, begin: date) -> tuple[set[str], set[str]]:
    before = {thing for day, things in told.items() if day < begin for thing in things}
    return before, {thing for day, things in told.items() if day >= begin for thing in things}


def large_day(rows: int, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Seconds and memory of one day of so many rows, each look in a process of its own."""
    found: dict[str, dict[str, list[float]]] = {way: {"seconds": [], "MB": []} for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "model.onnx")
        built = market_candidate(simulate(MarketSpec()), TrainingOptions(cv_folds=2, cv_trees=2))
        model.write_bytes(built.model)
        url = f"clickhouse+chdb:///default?path={folder}/clickhouse"
        in_child("benchmarks.watch_scale", url=url, rows=rows)
        names = ", ".join(FEATURES)
        with opened(url) as engine, engine.connect() as connection:
            for file, of in (("days", rows), ("reference", REFERENCE)):
                place = Path(folder, f"{file}.parquet")
                connection.execute(
                    text(
                        f"INSERT INTO FUNCTION file('{place}', Parquet) SELECT toDateTime64("
                        f"timestamp, 0) AS timestamp, {names} FROM regime_features LIMIT {of}"
                    )
                )
        for _ in range(rounds):
            for way in WAYS:
                one: Mapping[str, Any] = (
                    in_child("benchmarks.watch_scale", url=url, model=str(model))
                    if way == "ours"
                    else ask(work="one_day", folder=folder, peer=way)
                )
                for kind in found[way]:
                    found[way][kind].append(one[kind])
    print(rows, found, flush=True)
    return found


def large(sizes: Sequence[int], rounds: int) -> tuple[str, list[str]]:
    """The table and aims of large days."""
    lines, aims = [], []
    for rows in sizes:
        found = large_day(rows, rounds)
        for way, one in found.items():
            cells = []
            for kind, what in (("seconds", "seconds"), ("MB", "memory")):
                ratios = np.array(one[kind]) / np.array(found["ours"][kind])
                cells += [
                    f"{np.median(one[kind]):.3g}",
                    f"{np.median(ratios):.2g} ({ratios.min():.2g} to {ratios.max():.2g})",
                ]
                if way != "ours":
                    words = f"{way} over ours, {what} of a day of {rows:,} rows"
                    aims.append(aim(words, float(np.median(ratios)), least=1))
            lines.append((f"{rows:,}", way, *cells))
    heads = ("rows of the day", "way", "s", "× ours (range)", "MB", "× ours (range)")
    return table_of(heads, lines), aims


def main() -> None:
    """Measures one part and writes its section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("quiet", "faults", "large"))
    parser.add_argument("--markets", type=int, default=5)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    logging.disable(logging.INFO)
    options = ""
    if given.part == "quiet":
        table, aims = quiet(given.markets, given.days)
        options = f" --markets {given.markets} --days {given.days}"
    elif given.part == "large":
        table, aims = large(given.sizes, given.rounds)
        options = f" --sizes {' '.join(map(str, given.sizes))} --rounds {given.rounds}"
    else:
        table, aims = faults(200)
    command = f"python -m benchmarks.watch_peers {given.part}{options}"
    made = made_by(command, "great-expectations", "chdb", "onnxruntime", "pandas")
    others = versions_of("evidently", "nannyml", "pandas", "scikit-learn")
    body = f"{made} Peers: {others}.\n\n{table}\n\n{chr(10).join(aims)}\n\n{_NOTES[given.part]}"
    put_section(f"Watch and its peers, {TITLES[given.part]}", body)
    print(body)


TITLES: Final = {"quiet": "quiet days", "faults": "faults", "large": "many rows"}
_NOTES: Final = {
    "quiet": """\
Evidently: `DataDriftPreset` as it comes; `dataset` is drift in half of the columns. NannyML:
univariate drift and CBPE's estimated accuracy as they come, in chunks of a day, fitted before the
days. Both are given the forest's inputs, its answer and the symbol. They judge a day alone, ours
when a thing lasts, and tells it once. Ours asks ClickHouse itself: its seconds hold the query, the
gate's rules in Great Expectations, the model's answers and the row that is kept, those of the
peers the drift alone. What they do and ours does not: pictures of each column, distances by name,
and NannyML estimates the accuracy of days without labels.""",
    "faults": """\
What alarms on the day of a fault or the next one and did not alarm on the four days before it. A
day on which a peer fails counts as noticed.""",
    "large": """\
Each look is a process of its own; the peers read the rows of the day from Parquet and have been
fitted before. With chDB the memory of ours is the engine's too.""",
}


if __name__ == "__main__":
    main()
