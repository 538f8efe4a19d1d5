"""FreqAI's sliding retraining without a gate against a replay of ours, on the same rows.

    python -m benchmarks.replay_peers [--weeks 30]

The markets are those of `benchmarks.replay`. FreqAI's own data kitchen cuts the windows, its own
class of a forest trains and predicts; both grow as many trees on the same inputs of the forest.
The section "Replay and FreqAI" of RESULTS.md is written anew.
"""

import argparse
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from benchmarks.measuring import aim, growth_in_mb, in_child, made_by, table_of
from benchmarks.peers import ask, versions_of
from benchmarks.replay import OPTIONS, market, replayed
from benchmarks.results import put_section
from ml.contract import FEATURES
from ml.evaluation.statistics import searched_leads
from ml.inputs import INPUTS, forest_inputs
from ml.replay.plan import WEEK
from ml.replay.rules import ALWAYS
from ml.words import points

WINDOWS: Final = (30, 180)
"""Days of a window: as FreqAI's documentation has it, and one with as many rows as help."""


def ours(*, changes: bool, weeks: int) -> dict[str, Any]:
    """A replay in this process: each week's rows and right answers, seconds and memory."""
    found: dict[str, Any] = {}
    begun = time.perf_counter()
    megabytes = growth_in_mb(lambda: found.update(replayed(changes=changes, weeks=weeks)))
    seconds = time.perf_counter() - begun
    lines = next(iter(found["timelines"].values()))
    counts = [(line["following_rows"], line["following"]["live"]) for line in lines]
    always = next(one for one in found["rules"] if one["settings"]["schedule"] == ALWAYS)
    return {
        "first": found["sundays"][0]["sunday"],
        "weeks": [[rows, share and round(rows * share)] for rows, share in counts],
        "always": always["accuracy"],
        "seconds": seconds,
        "MB": megabytes,
    }


def theirs(frame: pd.DataFrame, first: datetime, weeks: int, days: int) -> dict[str, Any]:
    """FreqAI's windows of so many days over the same labelled rows."""
    rows = frame[frame["regime_label"] != ""].sort_values(["timestamp", "symbol"])
    inputs = forest_inputs(rows[list(FEATURES)].to_numpy())
    named = pd.DataFrame(inputs, columns=[f"%{name}" for name in INPUTS])
    named["&label"] = rows["regime_label"].to_numpy()
    named["date"] = rows["timestamp"].dt.tz_localize("UTC").to_numpy()
    span = {"first": int(first.timestamp()), "last": int((first + weeks * WEEK).timestamp())}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "rows.parquet")
        named.to_parquet(file)
        found: dict[str, Any] = ask(
            work="freqai", file=str(file), days=days, trees=OPTIONS.trees, **span
        )
    return found


def compare(name: str, *, changes: bool, weeks: int) -> tuple[list[list[str]], list[str]]:
    """Lines of the table and aims of one market."""
    own = in_child("benchmarks.replay_peers", changes=changes, weeks=weeks)
    rows, right = np.array(own["weeks"], float).T
    seen = ~np.isnan(right)  # weeks with a model of ours
    rows, right = rows[seen], right[seen]
    first = datetime.fromisoformat(own["first"]).astimezone(UTC)
    accuracy = right.sum() / rows.sum()
    costs = [f"{own['seconds'] / weeks:.2f}", f"{own['MB']:.0f}"]
    lines = [
        [name, "ours", f"{accuracy:.1%}", "", *costs],
        ["", "ours, but always deploy", f"{own['always']:.1%}", "", "", ""],
    ]
    aims = []
    for days in WINDOWS:
        found = theirs(market(changes=changes), first, weeks, days)
        counts = np.array([week[1:] for week in found["weeks"]], float)[seen]
        if not np.array_equal(counts[:, 0], rows):
            raise SystemExit(f"FreqAI's weeks have {counts[:, 0]} rows, ours {rows}")
        leads = searched_leads((right - counts[:, 1])[None], rows)
        assert leads is not None  # noqa: S101 - there are weeks enough
        lead, low, high = (float(v[0]) for v in (leads.lead, leads.low, leads.high))
        way = f"FreqAI, {days} days"
        costs = [f"{found['seconds'] / weeks:.2f}", f"{found['MB']:.0f}"]
        told = f"{points(lead)} ({points(low)} to {points(high)})"
        lines.append(["", way, f"{counts[:, 1].sum() / rows.sum():.1%}", told, *costs])
        aims.append(aim(f"{name}: ours less {way}, points, low end", 100 * low, least=0))
        aims += [
            aim(f"{name}: {way} over ours, {what}", found[key] / own[key], least=least)
            for what, key, least in (("seconds of a week", "seconds", 0.1), ("memory", "MB", 0.5))
        ]
    return lines, aims


def main() -> None:
    """Runs both markets and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weeks", type=int, default=30)
    parser.add_argument("--task", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        print(json.dumps(ours(**given.task)))
        return
    lines, aims = [], []
    for name, changes in (("changes half-way", True), ("never changes", False)):
        found = compare(name, changes=changes, weeks=given.weeks)
        lines += found[0]
        aims += found[1]
    heads = ["market", "way", "accuracy on what follows", "ours leads by, points (95%)"]
    made = made_by(f"python -m benchmarks.replay_peers --weeks {given.weeks}", "scikit-learn")
    body = f"""\
{made} FreqAI: {versions_of("freqtrade", "scikit-learn", "pandas")}.

{table_of([*heads, "s a week", "MB"], lines)}

{chr(10).join(aims)}

Both grow {OPTIONS.trees} trees on the forest's inputs. FreqAI (`FreqaiDataKitchen.split_timerange`,
`SKLearnRandomForestClassifier`) trains each week on the window before it, newer rows weighing more,
keeps a tenth aside that decides nothing, and always deploys. It trains a model a pair; here it is
given all symbols at once, without which a window of 30 days has about a hundred rows. A week of
ours has two cross-validations, the measures of a run and the ONNX file too, whose answers are the
ones counted, and hundreds of rules are followed afterwards."""
    put_section("Replay and FreqAI", body)
    print(body)


if __name__ == "__main__":
    main()
