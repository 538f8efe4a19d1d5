"""How quiet the watch is on quiet days, and what it notices within a day.

    python -m benchmarks.watch quiet [--markets 20] [--days 60]
    python -m benchmarks.watch faults [--markets 3]
    python -m benchmarks.watch pairs [--markets 2]

Each market is simulated anew, with a production model trained on its first 240 days; then one day
after the other is looked at as the task does, in an embedded ClickHouse with Great Expectations.
Of pairs of features that are exchanged, only what is measured of inputs is looked at. The section
of RESULTS.md is written anew.
"""

import argparse
import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import combinations
from typing import Any, Final
from unittest.mock import patch

import numpy as np
import pandas as pd
from sqlalchemy import Engine

from benchmarks.measuring import aim, made_by, table_of
from benchmarks.results import put_section
from clickhouse.engine import open_engine
from clickhouse.schema import apply_schema
from clickhouse.watching import midnight, write_day
from ml.contract import COUNTS, FEATURES, REGIMES
from ml.onnx_model import load_model, score
from ml.registry.models import Production
from ml.training.candidate import build_candidate
from ml.training.forest import TrainingOptions
from ml.training.metrics import Provenance
from ml.watch.day import Watched, confirmed, counted_blocks, go_on
from ml.watch.measures import measure_inputs
from pipeline.tasks.check_data import profile_of_production
from pipeline.watching import Watcher
from sample_market import MarketSpec, simulate
from sample_market import bars as bars_module
from sample_market.bars import Bars
from sample_market.loading import insert
from tests.dags.small_models import samples_of

END: Final = datetime(2026, 11, 28, tzinfo=UTC)
TRAINED: Final = 240
BEFORE, AFTER = 4, 14
"""Days that are watched before and after a fault begins."""
HOURS: Final = (0, 10, 22)
"""At which of a day each pair of columns is exchanged."""
PACKAGES: Final = ("great-expectations", "chdb", "onnxruntime")
OPTIONS: Final = TrainingOptions(trees=60, cv_folds=2, cv_trees=5)
Frame = pd.DataFrame


@dataclass(frozen=True)
class Market:
    """A simulated market and the model that trades on it."""

    frame: Frame
    production: Production
    begin: date


def market_of(seed: int, days: int, wrapped: Callable[[Bars], Bars] | None = None) -> Market:
    """Simulates a market and trains its model on the first days."""
    made = bars_module.simulate_bars
    with patch(
        "sample_market.market.simulate_bars",
        lambda *given: wrapped(made(*given)) if wrapped else made(*given),
    ):
        end = END - timedelta(hours=1)
        frame = simulate(MarketSpec(rows=4 * 24 * (TRAINED + days), seed=seed, end=end))
    begin = (END - timedelta(days=days)).date()
    return Market(frame, _production(seed, days), begin)


@cache
def _production(seed: int, days: int) -> Production:
    end = END - timedelta(hours=1)
    frame = simulate(MarketSpec(rows=4 * 24 * (TRAINED + days), seed=seed, end=end))
    known = frame["timestamp"] < pd.Timestamp(END - timedelta(days=days)).tz_localize(None)
    samples = samples_of(frame[known])
    provenance = Provenance(f"market {seed}", "none", "f" * 32, END)
    built = build_candidate(samples, OPTIONS, 0.2, timedelta(hours=24), provenance)
    return replace(Production.of(built.model), metrics=built.metrics)


@contextmanager
def in_clickhouse(frame: Frame) -> Iterator[Engine]:
    """A frame in an embedded ClickHouse of its own."""
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"clickhouse+chdb:///default?path={folder}")
        apply_schema(engine)
        insert(engine, frame)
        yield engine
        engine.dispose()


def watch(market: Market, frame: Frame, first: date, days: int) -> dict[date, list[str]]:
    """Watches a market day by day; gives the things told on each day that has a message.

    Args:
        market: its model.
        frame: what the application has written, and people have labelled.
        first: the first day to look at.
        days: how many.
    """
    told: dict[date, list[str]] = {}
    model = market.production
    with in_clickhouse(frame) as engine:
        for day in (first + timedelta(days=k) for k in range(days)):
            now = midnight(day) + timedelta(days=1, hours=1)
            watcher = Watcher(engine, None, model, now)
            seen = watcher.look_at_days()
            known = seen.onto(seen.known)
            blocks = watcher.look_at_labels(counted_blocks(known, model.sha256))
            watched = Watched(model.sha256, model.metrics or {}, watcher.profile)
            outcome = go_on(known, seen.looked, watched, blocks)
            for one, facts in {**seen.found, **outcome.facts}.items():
                write_day(engine, None, one, confirmed(facts) if "turn" in facts else facts)
            turn = outcome.turn
            if turn:
                told[day] = [*turn.worrying, *(f"well: {thing}" for thing in turn.well)]
    return told


Fault = Callable[[Frame, "pd.Series[bool]"], Frame]
"""Changes a frame from a moment on; the rows from then on are marked."""


def _silent(frame: Frame, since: "pd.Series[bool]") -> Frame:
    return frame[~(since & (frame["symbol"] == "SOLUSDT"))]


def _stopped(frame: Frame, since: "pd.Series[bool]") -> Frame:
    return frame[~since]


def _changed(feature: str, how: Callable[["pd.Series[float]"], "pd.Series[float]"]) -> Fault:
    def change(frame: Frame, since: "pd.Series[bool]") -> Frame:
        frame.loc[since, feature] = how(frame.loc[since, feature])
        return frame

    return change


def _exchanged(one: str, other: str) -> Fault:
    def exchange(frame: Frame, since: "pd.Series[bool]") -> Frame:
        frame.loc[since, [one, other]] = frame.loc[since, [other, one]].to_numpy()
        return frame

    return exchange


def _frozen(frame: Frame, since: "pd.Series[bool]") -> Frame:
    for symbol in frame["symbol"].unique():
        rows = since & (frame["symbol"] == symbol)
        for name in ("funding_rate", "funding_rate_ma"):
            frame.loc[rows, name] = frame.loc[rows, name].iloc[0]
    return frame


def _adjusted(frame: Frame, since: "pd.Series[bool]") -> Frame:
    """A split for which the averages of a symbol are adjusted, all in one hour."""
    rows = since & (frame["symbol"] == "SOLUSDT")
    prices = ["atr_14", "ema_9", "ema_21", "ema_55", "ema_200"]
    frame.loc[rows, prices] = frame.loc[rows, prices] / 2
    return frame


def _one_regime(frame: Frame, since: "pd.Series[bool]") -> Frame:
    """What the forest is given is that of hours it called volatile; prices and volumes go on."""
    for symbol in frame["symbol"].unique():
        rows = since & (frame["symbol"] == symbol)
        rare = frame[(frame["symbol"] == symbol) & (frame["answer"] == REGIMES.index("volatile"))]
        rare = rare.iloc[np.resize(np.arange(len(rare)), int(rows.sum()))].set_index(
            frame.index[rows]
        )
        scales = {"ema_9", "ema_21", "ema_55", "atr_14"}
        for name in set(FEATURES) - {"ema_200", "volume_24h"}:
            scale = "ema_200" if name in scales else "volume_24h"
            priced = name in scales or name == "liquidations_24h"
            factor = frame.loc[rows, scale] / rare[scale] if priced else 1
            frame.loc[rows, name] = (rare[name] * factor).astype(frame[name].dtype)
    frame.loc[since, "regime_label"] = ""
    return frame


def _rotated(frame: Frame, since: "pd.Series[bool]") -> Frame:
    following = {name: REGIMES[(k + 1) % len(REGIMES)] for k, name in enumerate(REGIMES)}
    frame.loc[since, "regime_label"] = frame.loc[since, "regime_label"].replace(following)
    return frame


FAULTS: Final[dict[str, tuple[Fault, str]]] = {
    "a symbol silent": (_silent, "feed SOLUSDT"),
    "the table stopped": (_stopped, "feed"),
    "NaN in one feature": (_changed("adx", lambda x: x * np.nan), "rule finite adx"),
    "a feature times 100": (_changed("atr_pct", lambda x: 100 * x), "input atr_pct"),
    "two columns exchanged, adx and bb_width": (
        _exchanged("adx", "bb_width"),
        "columns bb_width and adx",
    ),
    "two columns exchanged, funding_rate and funding_rate_ma": (
        _exchanged("funding_rate", "funding_rate_ma"),
        "columns funding_rate and funding_rate_ma",
    ),
    "two columns exchanged, bb_width and historical_vol": (
        _exchanged("bb_width", "historical_vol"),
        "columns bb_width and historical_vol",
    ),
    "funding frozen": (_frozen, "input funding_rate"),
    "prices halved by a split, averages adjusted": (_adjusted, "price SOLUSDT"),
    "all rows one regime": (_one_regime, "answers"),
    "labels rotated": (_rotated, "accuracy"),
}


def _split(bars: Bars) -> Bars:
    """The prices of a symbol halved from the moment of the fault on, and averages of them as is."""
    since = bars.close.index >= pd.Timestamp(_begin()).tz_localize(None)
    halved = {name: getattr(bars, name).copy() for name in ("high", "low", "close")}
    for frame in halved.values():
        frame.loc[since, "SOLUSDT"] /= 2
    return replace(bars, **halved)


def _begin() -> datetime:
    """When a fault begins: in the course of a day."""
    return END - timedelta(days=AFTER, hours=14)


def broken_market(name: str, seed: int) -> tuple[Market, Frame]:
    """A market, and its rows with a fault that begins `BEFORE` days after the market's begin."""
    fault, _ = FAULTS.get(name, (None, ""))
    market = market_of(seed, BEFORE + AFTER + 1, None if fault else _split)
    frame = market.frame.copy()
    if fault:
        X = frame[list(FEATURES)].to_numpy()
        frame["answer"] = score(load_model(market.production.model), X)[0]
        frame = fault(frame, frame["timestamp"] >= pd.Timestamp(_begin()).tz_localize(None))
    return market, frame.drop(columns="answer", errors="ignore")


def try_fault(name: str, seed: int) -> dict[int, list[str]]:
    """Watches a market in which a fault begins.

    Returns:
        What was told, by days after that on which it began; below zero is before it.
    """
    market, frame = broken_market(name, seed)
    told = watch(market, frame, market.begin, BEFORE + AFTER + 1)
    return {(day - _begin().date()).days: things for day, things in told.items()}


SPLIT: Final = "prices halved by a split, averages as they come"


def _faults(seeds: int) -> list[tuple[str, str, str, str]]:
    lines = []
    for name in (*FAULTS, SPLIT):
        tries = [try_fault(name, 200 + k) for k in range(seeds)]
        print(name, tries, flush=True)
        worrying = [
            [day for day, things in told.items() if any("well: " not in t for t in things)]
            for told in tries
        ]
        within = sum(bool(days) and 0 <= days[0] <= 1 for days in worrying)
        once = sum(len(days) == 1 for days in worrying)
        told = "; ".join(f"{day}: {', '.join(things)}" for day, things in tries[0].items())
        lines.append((name, f"{within} of {seeds}", f"{once} of {seeds}", told))
    return lines


def watch_quiet_days(markets: int, days: int) -> None:
    """Watches markets in which nothing happens, and writes the section."""
    told: list[str] = []
    for seed in range(100, 100 + markets):
        market = market_of(seed, days)
        found = watch(market, market.frame, market.begin, days)
        print(seed, found, flush=True)
        told += [f"market {seed}, {day}: {', '.join(things)}" for day, things in found.items()]
    worrying = [line for line in told if "well: " not in line]
    body = f"""\
{made_by(f"python -m benchmarks.watch quiet --markets {markets} --days {days}", *PACKAGES)}

{markets} simulated markets of 4 symbols, {days} days each, nothing wrong. Messages:
{"; ".join(told) or "none"}.

{aim(f"messages that worry, on {markets} x {days} quiet days", len(worrying), most=1)}"""
    put_section("Watching quiet days", body)
    print(body)


def watch_faults(seeds: int) -> None:
    """Watches markets in which something breaks, and writes the section."""
    headers = ("from 10:00 of a day on", "told within a day", "told once", "such as")
    lines = _faults(seeds)
    met = sum(line[1] == line[2] == f"{seeds} of {seeds}" for line in lines)
    body = f"""\
{made_by(f"python -m benchmarks.watch faults --markets {seeds}", *PACKAGES)}

{table_of(headers, lines)}

{aim("kinds of faults told within a day and once, of those above", met, least=len(lines) - 1)}

`0:` is told at the first look after the day on which the fault began. Well again is told too, and
not counted. Of labels whose meaning was rotated there are 32 a day; they are told as soon as the
confidence sequence leaves what production promised, so within a day is not asked of them."""
    put_section("Watching faults", body)
    print(body)


def watch_pairs(seeds: int) -> None:
    """Exchanges each pair of features, and writes the section."""
    days, table = BEFORE + AFTER + 1, []
    tries: list[tuple[int, str, str, bool, bool]] = []
    for seed in range(200, 200 + seeds):
        market = market_of(seed, days)
        profile = profile_of_production(market.production)
        frame = market.frame[market.frame["timestamp"] >= pd.Timestamp(market.begin)]
        frame = frame.astype(dict.fromkeys(COUNTS, float))
        for hour in HOURS:
            begin = _begin().replace(hour=hour)
            since = frame["timestamp"] >= pd.Timestamp(begin).tz_localize(None)
            for one, other in combinations(FEATURES, 2):
                told = _told_of_inputs(_exchanged(one, other)(frame.copy(), since), profile)
                first = told.get(begin.date(), told.get(begin.date() + timedelta(days=1), []))
                named = any({one, other} <= set(thing.split()) for thing in first)
                tries.append((hour, one, other, named, named and len(told) == 1))
    for hour in HOURS:
        at = [
            (one in COUNTS or other in COUNTS, *had) for h, one, other, *had in tries if h == hour
        ]
        for counts, name in ((False, "no"), (True, "yes")):
            of = [(named, once) for counted, named, once in at if counted == counts]
            shares = [f"{sum(had) / len(of):.1%}" for had in zip(*of, strict=True)]
            table.append((f"{hour:02}:00", name, len(of), *shares))
    missed = Counter(f"{one} and {other}" for _, one, other, named, _ in tries if not named)
    never = ", ".join(pair for pair, count in missed.items() if count == len(HOURS) * seeds)
    body = f"""\
{made_by(f"python -m benchmarks.watch pairs --markets {seeds}", *PACKAGES)}

{table_of(("at", "with a count of events", "pairs", "both named within a day", "and once"), table)}

Never named: {never or "none"}."""
    put_section("Watching exchanged columns", body)
    print(body)


def _told_of_inputs(frame: Frame, profile: Mapping[str, Any]) -> dict[date, list[str]]:
    """What worries by the inputs alone, by the day on which it is told."""
    known: dict[date, dict[str, Any]] = {}
    told: dict[date, list[str]] = {}
    inputs: dict[str, Any] = {}
    for day, rows in frame.groupby(frame["timestamp"].dt.date):
        columns = {
            "features": rows[list(FEATURES)].to_numpy(np.float32),
            "timestamps": rows["timestamp"].to_numpy("datetime64[s]"),
            "symbols": rows["symbol"].to_numpy(str),
        }
        inputs = measure_inputs(columns, profile, inputs)
        known[day] = {"rows": len(rows), "feeds": {}, "inputs": inputs}
        outcome = go_on(known, [day], Watched(profile=profile), ())
        known[day] = confirmed(outcome.facts[day])
        if outcome.turn.worrying:
            told[day] = list(outcome.turn.worrying)
    return told


def main() -> None:
    """Runs one part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("quiet", "faults", "pairs"))
    parser.add_argument("--markets", type=int, help="of the part, or of each fault")
    parser.add_argument("--days", type=int, default=60)
    given = parser.parse_args()
    logging.disable(logging.INFO)
    if given.part == "quiet":
        watch_quiet_days(given.markets or 20, given.days)
    elif given.part == "faults":
        watch_faults(given.markets or 3)
    else:
        watch_pairs(given.markets or 2)


if __name__ == "__main__":
    main()
