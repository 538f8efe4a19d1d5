"""The exported file against plain skl2onnx, and its answers against scikit-learn's.

python -m benchmarks.model_file [--rows 2500 20000 100000] [--repetitions 5]
"""

import argparse
import json
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from skl2onnx import to_onnx
from sklearn.pipeline import Pipeline

from benchmarks.measuring import aim, by_turns, made_by, table_of
from benchmarks.results import put_section
from benchmarks.tables import freeze_market
from clickhouse.engine import opened
from clickhouse.reading import read_samples
from ml.contract import FEATURES, INPUT_NAME, REGIMES
from ml.data.samples import Samples
from ml.data.split import split_by_time
from ml.evaluation.explanation import Explainer
from ml.evaluation.scores import accuracy_by_confidence
from ml.inputs import forest_inputs
from ml.onnx_model import load_model, score
from ml.training.export import export_forest, with_metadata
from ml.training.forest import TrainingOptions, fit_forest
from ml.training.golden_rows import golden_rows

_CALLS = 200
_BATCH = 10_000
_NOTES = f"""The forests have 200 trees, as a run's. Plain skl2onnx is `to_onnx` of the forest
alone; it lacks the ratios, the absent regimes and the double input. A single row is {_CALLS}
calls one after the other, a batch {_BATCH:,} rows; both use one thread, scikit-learn through
`predict`."""


def measure(rows: int, trees: int, repetitions: int) -> dict[str, Any]:
    """Trains on a simulated market and compares files and answers."""
    train, holdout = _split(rows)
    forest = fit_forest(train.features, train.labels, TrainingOptions(trees=trees))
    carried = carrying(forest, train, holdout, repetitions)
    return {"rows": rows} | sizes(forest, train) | speeds(forest, holdout, repetitions) | carried


def _split(rows: int) -> tuple[Samples, Samples]:
    with (
        TemporaryDirectory() as folder,
        opened(f"clickhouse+chdb:///default?path={Path(folder)}") as engine,
    ):
        snapshot = freeze_market(engine, rows)
        samples = Samples(**read_samples(engine, snapshot, FEATURES, REGIMES))
    split = split_by_time(samples.timestamps, 0.2, timedelta(hours=24))
    return samples.rows(split.training), samples.rows(split.holdout)


def sizes(forest: Pipeline, train: Samples) -> dict[str, float]:
    """Sizes of both files in MB."""
    plain = to_onnx(forest[-1], forest_inputs(train.features[:1])).SerializeToString()
    return {"size": len(export_forest(forest)) / 1e6, "plain size": len(plain) / 1e6}


def speeds(forest: Pipeline, holdout: Samples, repetitions: int) -> dict[str, float]:
    """Median seconds of a single row and of a batch, by turns."""
    session = load_model(export_forest(forest))
    forest.set_params(forest__n_jobs=1)
    some = np.resize(holdout.features.astype(np.float64), (_BATCH, len(FEATURES)))
    rows = [some[k : k + 1] for k in range(_CALLS)]
    ways = {
        "row": lambda: [session.run(None, {INPUT_NAME: row}) for row in rows],
        "row, scikit-learn": lambda: [forest.predict(row) for row in rows[:10]],
        "batch": lambda: session.run(None, {INPUT_NAME: some}),
        "batch, scikit-learn": lambda: forest.predict(some),
    }
    found = by_turns(ways, repetitions)
    calls = {"row": _CALLS, "row, scikit-learn": 10}
    return {name: seconds / calls.get(name, 1) for name, seconds in found.items()}


def carrying(
    forest: Pipeline, train: Samples, holdout: Samples, repetitions: int
) -> dict[str, float]:
    """What golden rows and the table of confidence cost, and how long a row takes to explain."""
    bare = export_forest(forest)
    _, probabilities = score(load_model(bare), holdout.features)
    told = accuracy_by_confidence(holdout.labels, probabilities, holdout.timestamps, 0.65)
    metadata = {
        "golden_rows": asdict(golden_rows(bare, train)),
        "accuracy_by_confidence": asdict(told),
    }
    written = {k: json.dumps(v, separators=(",", ":")) for k, v in metadata.items()}
    # Metadata cost the same in any file, and of a small one a millisecond can be told.
    small = export_forest(fit_forest(train.features, train.labels, TrainingOptions(trees=2)))
    small_whole = with_metadata(small, written)
    explainer = Explainer(bare, train)
    row = holdout.features[0].tolist()
    ways = {
        "bare": lambda: load_model(bare),
        "preparing": lambda: Explainer(bare, train),
        "explaining": lambda: explainer.explain(row),
    }
    found = by_turns(ways, repetitions)
    loads = by_turns(
        {"small": lambda: load_model(small), "whole": lambda: load_model(small_whole)},
        20 * repetitions,
    )
    return {"carried": (len(small_whole) - len(small)) / 1e3} | {
        "loading": 1e3 * (loads["whole"] - loads["small"]),
        **{name: 1e3 * found[name] for name in ("bare", "preparing", "explaining")},
    }


def aims_of(lines: list[dict[str, Any]]) -> list[str]:
    """What was aimed at, of each number of rows."""
    aims = []
    for line in lines:
        of = f"of {line['rows']:,} samples"
        ratio = line["row, scikit-learn"] / line["row"]
        told = f"scikit-learn over the file {of}, a single row"
        aims.append(aim(told, ratio, least=100, peer=("scikit-learn", ratio)))
        aims.append(aim(f"kB of golden rows and confidence {of}", line["carried"], most=20))
        aims.append(aim(f"ms that loading takes longer with them {of}", line["loading"], most=1))
        aims.append(aim(f"ms to explain a row {of}", line["explaining"], most=50))
        size = line["size"] / line["plain size"]
        told = f"size of the file {of} over plain skl2onnx's"
        aims.append(aim(told, size, most=1, peer=("skl2onnx", 1 / size)))
    return aims


def main() -> None:
    """Measures, prints the table and keeps it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[2_500, 20_000, 100_000])
    parser.add_argument("--repetitions", type=int, default=5)
    given = parser.parse_args()
    lines = [measure(rows, TrainingOptions().trees, given.repetitions) for rows in given.rows]
    cells = [
        (
            f"{line['rows']:,}",
            f"{line['size']:.1f}",
            f"{line['plain size']:.1f}",
            f"{1e6 * line['row']:.0f}",
            f"{line['row, scikit-learn'] / line['row']:.0f}",
            f"{1e3 * line['batch']:.0f}",
            f"{line['batch, scikit-learn'] / line['batch']:.1f}",
            f"{line['carried']:.1f}",
            f"{line['bare']:.0f}",
            f"{line['preparing']:.0f}",
            f"{line['explaining']:.1f}",
        )
        for line in lines
    ]
    headers = ("samples", "MB", "skl2onnx MB", "row µs", "× sklearn", "batch ms", "× sklearn")
    carried = ("carried kB", "load ms", "explainer ms", "explain ms")
    table = table_of((*headers, *carried), cells)
    print(table)
    rows = " ".join(map(str, given.rows))
    command = f"python -m benchmarks.model_file --rows {rows} --repetitions {given.repetitions}"
    made = made_by(command, "onnxruntime", "skl2onnx", "scikit-learn")
    put_section("Model file", "\n\n".join([made, table, "\n".join(aims_of(lines)), _NOTES]))


if __name__ == "__main__":
    main()
