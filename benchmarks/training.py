"""The work of `train_model`, against one fit of the same forest, and other ways to a model file.

    python -m benchmarks.training [--sizes 100000:200:5 1000000:20:5] [--alone]

The whole task reads, splits, fits, cross-validates, exports, checks the file in another process,
measures and writes the report. Peers are those of requirements-bench.txt.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score
from sqlalchemy import Engine, text

from benchmarks.measuring import aim, by_turns, in_child, made_by, table_of
from benchmarks.results import put_section
from benchmarks.tables import freeze_market, running_server, url_of
from clickhouse.engine import opened
from clickhouse.snapshot import Snapshot, verify
from ml.contract import FEATURES, REGIMES
from ml.data.reading import read_training_rows
from ml.data.samples import Samples
from ml.data.split import split_by_time
from ml.inputs import forest_inputs
from ml.training.candidate import build_candidate
from ml.training.forest import TrainingOptions, fit_forest
from ml.training.metrics import Provenance

_EMBARGO = timedelta(hours=24)
_HOLDOUT = 0.2
_PEERS = "ydf", "scikit-learn-intelex"
_WITHOUT = "ours, silent on labels"
"""Without learning curve and labels that look wrong."""
_NOTES = """Limit: `fit_forest`, which draws at most 100,000 rows for a tree, on arrays in memory.
The usual recipe reads with `pandas.read_sql`, fits the same forest without that cap on the rows
before the cut, runs `cross_val_score` with five folds and converts with plain skl2onnx; it
neither checks the file nor measures it. The task and its limit cut features into 255 bins while
a forest grows; a line has the fit without them. ydf and scikit-learn-intelex are only their `fit`.
Accuracy is of the newest fifth, which none has seen. All have the same number and depth of trees.
Seconds are medians of alternating rounds, whose number is the last of a size."""


def samples_of(engine: Engine, snapshot: Snapshot) -> Samples:
    """Reads as `train_model` does."""
    verify(engine, snapshot)
    most = TrainingOptions().max_train_rows
    return read_training_rows(engine, snapshot, _HOLDOUT, _EMBARGO, most)


def whole_task(engine: Engine, snapshot: Snapshot, options: TrainingOptions, out: Path) -> float:
    """What `train_model` does, with the candidate's files in a folder; returns its accuracy."""
    told = Provenance("bench", snapshot.name, snapshot.fingerprint, datetime.now(UTC))
    samples = samples_of(engine, snapshot)
    built = build_candidate(samples, options, _HOLDOUT, _EMBARGO, told)
    for name, content in built.files().items():
        (out / name).write_bytes(content)
    return float(built.metrics["test_accuracy"])


def usual_recipe(engine: Engine, snapshot: Snapshot, options: TrainingOptions, out: Path) -> float:
    """What a tutorial would do with the same table; returns its accuracy on the newest fifth."""
    query = f"SELECT * FROM {snapshot.name} ORDER BY timestamp, symbol"
    with engine.connect() as connection:
        frame = pd.read_sql(text(query), connection)
    X, y = frame[list(FEATURES)].to_numpy(np.float32), frame["regime_label"].map(REGIMES.index)
    split = split_by_time(frame["timestamp"].to_numpy("datetime64[s]"), _HOLDOUT, _EMBARGO)
    forest = _bare_forest(RandomForestClassifier, options)
    forest.fit(X[split.training], y[split.training])
    cross_val_score(
        _bare_forest(RandomForestClassifier, options), X[split.training], y[split.training], cv=5
    )
    (out / "usual.onnx").write_bytes(to_onnx(forest, X[:1]).SerializeToString())
    return float(forest.score(X[split.holdout], y[split.holdout]))


def _bare_forest(kind: Any, options: TrainingOptions) -> Any:
    return kind(
        n_estimators=options.trees,
        max_depth=options.max_depth,
        min_samples_leaf=options.min_samples_leaf,
        n_jobs=-1,
        random_state=options.seed,
    )


class Fits:
    """Fits on arrays in memory, each with its accuracy on the holdout."""

    def __init__(self, samples: Samples, options: TrainingOptions) -> None:
        split = split_by_time(samples.timestamps, _HOLDOUT, _EMBARGO)
        self.train, self.holdout = samples.rows(split.training), samples.rows(split.holdout)
        self.options = options

    def capped(self) -> Any:
        """The limit."""
        return fit_forest(self.train.features, self.train.labels, self.options)

    def unbinned(self) -> Any:
        """The same forest on values as they are."""
        rows = min(self.options.max_train_samples_per_tree, len(self.train))
        forest = _bare_forest(RandomForestClassifier, self.options).set_params(max_samples=rows)
        return forest.fit(forest_inputs(self.train.features), self.train.labels)

    def intel(self) -> Any:
        """scikit-learn-intelex."""
        from sklearnex.ensemble import RandomForestClassifier as Forest  # noqa: PLC0415

        forest = _bare_forest(Forest, self.options)
        return forest.fit(self.train.features, self.train.labels)

    def ydf(self) -> Any:
        """ydf, whose forest cannot be written as ONNX."""
        import ydf  # noqa: PLC0415

        learner = ydf.RandomForestLearner(
            label="y",
            num_trees=self.options.trees,
            max_depth=self.options.max_depth,
            min_examples=self.options.min_samples_leaf,
            compute_oob_performances=False,
            winner_take_all=False,
        )
        ydf.verbose(0)
        return learner.train({"x": self.train.features, "y": self.train.labels})

    def accuracies(self, *, alone: bool) -> dict[str, float]:
        """Of the forests, or alone of the limit's."""
        X, y = self.holdout.features, self.holdout.labels
        limit = {"fit, the limit": float(self.capped().score(X, y))}
        if alone:
            return limit
        named = self.ydf().predict({"x": X}).argmax(axis=1)
        classes = np.unique(self.train.labels)
        return limit | {
            "fit without bins": float(self.unbinned().score(forest_inputs(X), y)),
            "fit, scikit-learn-intelex": float(self.intel().score(X, y)),
            "fit, ydf": float((classes[named] == y).mean()),
        }


def measure(rows: int, trees: int, rounds: int, *, alone: bool = False) -> dict[str, Any]:
    """Seconds and accuracy of all ways, timed by turns in one process; alone: of task and limit."""
    with running_server() as server:
        with opened(server.url("native")) as engine:
            snapshot = freeze_market(engine, rows)
        task = {"url": url_of(server, "native"), "snapshot": snapshot.to_dict(), "trees": trees}
        found: dict[str, Any] = in_child("benchmarks.training", rounds=rounds, alone=alone, **task)
    return found


def _compare(
    engine: Engine, snapshot: Snapshot, options: TrainingOptions, rounds: int, *, alone: bool
) -> Any:
    fits = Fits(samples_of(engine, snapshot), options)
    accuracies = fits.accuracies(alone=alone)

    def scored(way: str, work: Callable[..., float]) -> None:
        with tempfile.TemporaryDirectory() as out:
            accuracies[way] = work(engine, snapshot, options, Path(out))

    def without_words(*given: Any) -> float:
        with patch("ml.training.candidate.told_of_labels", return_value={}):
            return whole_task(*given)

    ways: dict[str, Callable[[], object]] = {
        "fit, the limit": fits.capped,
        "ours, whole task": lambda: scored("ours, whole task", whole_task),
        _WITHOUT: lambda: scored(_WITHOUT, without_words),
    }
    if not alone:
        ways |= {
            "usual recipe": lambda: scored("usual recipe", usual_recipe),
            "fit without bins": fits.unbinned,
            "fit, scikit-learn-intelex": fits.intel,
            "fit, ydf": fits.ydf,
        }
    # Each has run once, or is so long that its first call is like the others.
    seconds = by_turns(ways, rounds, warm=False)
    return {way: {"seconds": seconds[way], "accuracy": accuracies[way]} for way in ways}


def _do(task: dict[str, Any]) -> Any:
    snapshot, options = Snapshot(**task["snapshot"]), TrainingOptions(trees=task["trees"])
    with opened(task["url"]) as engine:
        return _compare(engine, snapshot, options, task["rounds"], alone=task["alone"])


def aims_of(found: dict[str, Any], rows: int, trees: int) -> list[str]:
    """What was aimed at; one fit is that of a run, and with fewer trees the rest weighs more."""
    size = f"{rows:,} rows, {trees} trees"
    ours, aims = found["ours, whole task"], []
    usual = found.get("usual recipe")
    peer = ("usual recipe", usual["seconds"] / ours["seconds"]) if usual else None
    if trees >= TrainingOptions().trees:
        ratio = ours["seconds"] / found["fit, the limit"]["seconds"]
        told = f"whole training task over one fit, {size}"
        aims.append(aim(told, ratio, most=2, limit=ratio, peer=peer))
    if silent := found.get(_WITHOUT):
        told = f"whole training task over one silent on labels, {size}"
        aims.append(aim(told, ours["seconds"] / silent["seconds"], most=1.33))
    if usual and peer:
        told = f"the usual recipe over the whole training task, {size}"
        least = 15 if rows >= 1_000_000 else 5
        aims.append(aim(told, peer[1], least=least, peer=peer))
        told = f"accuracy less that of the usual recipe, in points, {size}"
        aims.append(aim(told, 100 * (ours["accuracy"] - usual["accuracy"]), least=-0.5))
    return aims


def as_table(found: dict[str, Any]) -> str:
    """Formats what was measured."""
    limit = found["fit, the limit"]["seconds"]
    cells = [
        (way, f"{x['seconds']:.1f}", f"{x['seconds'] / limit:.1f}", f"{x['accuracy']:.1%}")
        for way, x in found.items()
    ]
    return table_of(("way", "s", "× limit", "accuracy"), cells)


def main() -> None:
    """Measures, prints the table and keeps it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=["100000:200:5"], help="rows:trees:rounds")
    parser.add_argument("--alone", action="store_true", help="the task and its limit only")
    parser.add_argument("--task", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        print(json.dumps(_do(given.task)))
        return
    put_section("Training task", _NOTES)
    for size in given.sizes:
        _measure_and_keep(size, alone=given.alone)


def _measure_and_keep(size: str, *, alone: bool) -> None:
    rows, trees, rounds = map(int, size.split(":"))
    found = measure(rows, trees, rounds, alone=alone)
    table = as_table(found)
    print(table)
    command = f"python -m benchmarks.training --sizes {size}{' --alone' * alone}"
    made = made_by(command, "scikit-learn", "skl2onnx", "pandas", *(() if alone else _PEERS))
    body = [made, table, "\n".join(aims_of(found, rows, trees))]
    put_section(f"Training task, {rows:,} rows, {trees} trees", "\n\n".join(body))


if __name__ == "__main__":
    main()
