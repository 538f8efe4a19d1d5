"""Evidently, NannyML and FreqAI at work, in the interpreter of `.venv-peers`.

They do not run beside the packages of the project, so nothing of it is imported here besides how
memory is measured; rows come as Parquet. The other benchmarks call `ask`.
"""

import argparse
import json
import logging
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import pandas as pd

from benchmarks.measuring import growth_in_mb, in_child_of, run_quietly

PYTHON: Final = Path(__file__).parents[1] / ".venv-peers/bin/python"
NAMES: Final = ("Evidently", "NannyML")
LABEL, ANSWER, TIME = "label", "answer", "timestamp"
Frame = pd.DataFrame
Day = Callable[[Frame], list[str]]
"""Looks at the rows of a day; gives the things that alarm."""


def ask(**task: Any) -> Any:
    """Runs a task in the peers' interpreter.

    Raises:
        SystemExit: if there is none, or the task fails.
    """
    if not PYTHON.exists():
        raise SystemExit(f"{PYTHON} is missing; `make bench` makes it")
    return in_child_of(str(PYTHON), "benchmarks.peers", task)


def versions_of(*packages: str) -> str:
    """The versions of packages there, as words."""
    code = (
        "import sys, importlib.metadata as m;"
        "print(*(f'{p} {m.version(p)}' for p in sys.argv[1:]), sep=', ')"
    )
    return run_quietly([str(PYTHON), "-c", code, *packages]).strip()


def evidently(reference: Frame) -> Day:
    """`DataDriftPreset` as it comes: it chooses the method and threshold of each column."""
    from evidently import DataDefinition, Dataset, Report  # noqa: PLC0415 - a peer
    from evidently.presets import DataDriftPreset  # noqa: PLC0415 - a peer

    texts = [name for name in ("symbol", ANSWER) if name in reference]
    numbers = [
        name
        for name in map(str, reference)
        if name not in (*texts, LABEL, TIME) and name[:2] != "p "
    ]
    kinds = DataDefinition(numerical_columns=numbers, categorical_columns=texts)
    columns = [*numbers, *texts]

    def look(rows: Frame) -> list[str]:
        now, then = (Dataset.from_pandas(f[columns], kinds) for f in (rows, reference))
        first, *others = Report([DataDriftPreset()]).run(now, then).dict()["metrics"]
        found = [m["config"]["column"] for m in others if m["value"] >= m["config"]["threshold"]]
        if len(found) != first["value"]["count"]:
            raise ValueError(f"{len(found)} columns, Evidently says {first['value']}")
        return [*found, *(["dataset"] if first["value"]["share"] >= 0.5 else [])]

    return look


def nannyml(reference: Frame) -> Day:
    """Univariate drift and CBPE as they come, in chunks of a day."""
    import nannyml as nml  # noqa: PLC0415 - a peer

    columns = [
        name for name in map(str, reference) if name not in (LABEL, TIME) and name[:2] != "p "
    ]
    by_day = {"timestamp_column_name": TIME, "chunk_period": "D"}
    drift = nml.UnivariateDriftCalculator(column_names=columns, **by_day).fit(reference)
    estimate = None
    if LABEL in reference:
        labelled = reference[reference[LABEL] != ""]
        chances = {name[2:]: name for name in map(str, reference) if name[:2] == "p "}
        estimate = nml.CBPE(
            y_pred=ANSWER, y_pred_proba=chances, y_true=LABEL, metrics=["accuracy"],
            problem_type="classification_multiclass", **by_day,
        ).fit(labelled)  # fmt: skip

    def look(rows: Frame) -> list[str]:
        found = _alarms(drift.calculate(rows))
        return [*found, *(_alarms(estimate.estimate(rows)) if estimate else [])]

    return look


def _alarms(result: Any) -> list[str]:
    found = result.filter(period="analysis").to_df().iloc[-1]
    return [
        " ".join(map(str, key[:-1])) for key in found.index if key[-1] == "alert" and found[key]
    ]


PEERS: Final = {"Evidently": evidently, "NannyML": nannyml}


def watch(folder: str, peer: str) -> dict[str, Any]:
    """Looks at the days of a folder: seconds of the fit, of each day, and what alarms on it."""
    begun = time.perf_counter()
    look = PEERS[peer](pd.read_parquet(Path(folder, "reference.parquet")))
    fit = time.perf_counter() - begun
    rows = pd.read_parquet(Path(folder, "days.parquet"))
    look(rows[:96])  # what is only once is not a day's
    seconds, told = [], {}
    for day, of_day in rows.groupby(rows[TIME].dt.date):
        begun = time.perf_counter()
        try:
            told[day.isoformat()] = look(of_day.reset_index(drop=True))
        except Exception as error:  # noqa: BLE001 - a day that cannot be looked at is noticed too
            told[day.isoformat()] = [f"error: {error}"[:60]]
        seconds.append(time.perf_counter() - begun)
    return {"fit": fit, "seconds": seconds, "told": told}


def one_day(folder: str, peer: str) -> dict[str, float]:
    """Reads and looks at one day: seconds, and growth of memory in MB; the fit is before it."""
    look = PEERS[peer](pd.read_parquet(Path(folder, "reference.parquet")))
    taken = {}

    def work() -> None:
        begun = time.perf_counter()
        look(pd.read_parquet(Path(folder, "days.parquet")))
        taken["seconds"] = time.perf_counter() - begun

    return {"MB": growth_in_mb(work), **taken}


def freqai(file: str, first: int, last: int, days: int, trees: int) -> dict[str, Any]:
    """Slides a window over labelled rows with FreqAI's own classes, and deploys every model.

    Args:
        file: Parquet of inputs named `%…`, `&label` and `date`, in order of time.
        first: the moment of the first retraining, Unix.
        last: the moment behind the last row.
        days: of a window.
        trees: of a forest.
    """
    frame = pd.read_parquet(file)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        work = partial(_slide, frame, _config(Path(folder), f"{first}-{last}", days, trees), found)
        begun = time.perf_counter()
        found["MB"] = growth_in_mb(work)
        found["seconds"] = time.perf_counter() - begun
    return found


def _config(folder: Path, timerange: str, days: int, trees: int) -> dict[str, Any]:
    (folder / "config.json").write_text("{}")
    features = {"shuffle_after_split": False, "include_corr_pairlist": [], "weight_factor": 0.9}
    return {
        "config_files": [str(folder / "config.json")],
        "user_data_dir": folder,
        "timerange": timerange,
        "timeframe": "1h",
        "runmode": "backtest",
        "exchange": {"pair_whitelist": ["ALL/USDT"]},
        "freqai": {
            "identifier": "bench",
            "train_period_days": days,
            "backtest_period_days": 7,
            "feature_parameters": features,
            "data_split_parameters": {"test_size": 0.1, "shuffle": False},
            "model_training_parameters": {"n_estimators": trees, "n_jobs": -1, "random_state": 1},
        },
    }


def _slide(frame: Frame, config: dict[str, Any], found: dict[str, Any]) -> None:
    from freqtrade.freqai.base_models.BaseClassifierModel import (  # noqa: PLC0415
        BaseClassifierModel,
    )
    from freqtrade.freqai.data_kitchen import FreqaiDataKitchen  # noqa: PLC0415 - a peer
    from freqtrade.freqai.prediction_models.SKLearnRandomForestClassifier import (  # noqa: PLC0415
        SKLearnRandomForestClassifier,
    )

    forest = SKLearnRandomForestClassifier(config)
    kitchen = FreqaiDataKitchen(config, pair="ALL/USDT")
    found["weeks"] = []
    for train, following in zip(
        kitchen.training_timeranges, kitchen.backtesting_timeranges, strict=True
    ):
        rows = kitchen.slice_dataframe(following, frame)
        own = kitchen.slice_dataframe(train, frame)
        kitchen.find_features(own)
        kitchen.find_labels(own)
        kitchen.get_unique_classes_from_labels(own)
        forest.model = forest.train(own, "ALL/USDT", kitchen)
        # The class's own `predict` decodes labels that its forest never encoded, and fails.
        answers = BaseClassifierModel.predict(forest, rows, kitchen)[0]["&label"]
        right = int((answers.to_numpy() == rows["&label"].to_numpy()).sum())
        found["weeks"].append([following.startts, len(rows), right])


WORK: Final[dict[str, Callable[..., Any]]] = {"watch": watch, "one_day": one_day, "freqai": freqai}


def main() -> None:
    """Does the work of a task."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", type=json.loads, required=True)
    task = parser.parse_args().task
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    print(json.dumps(WORK[task.pop("work")](**task)))


if __name__ == "__main__":
    main()
