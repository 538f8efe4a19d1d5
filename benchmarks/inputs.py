"""What scale-free inputs and calibration are worth on days the model has not seen.

    python -m benchmarks.inputs [--seeds 10]

Each seed is a sample market, split as a run splits it; each variant is the product's forest with
100 trees. The holdout is scored as it is, with price and volume levels moved by symbol, and, of a
forest that has not seen one of the symbols, on that symbol. The section "Inputs and calibration"
of RESULTS.md is written anew.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegression
from tabulate import tabulate

from benchmarks.results import put_section
from ml.contract import FEATURES, REGIMES
from ml.data.samples import Samples
from ml.data.split import split_by_time
from ml.evaluation.scores import measure_confidence
from ml.inputs import KEPT, forest_inputs
from ml.training.acceptance import forest_probabilities
from ml.training.forest import TrainingOptions, grow
from sample_market import MarketSpec, simulate

SIZES: Final = (1_500, 5_000, 20_000)
LABELLED: Final = 1 / 6
EMBARGO: Final = timedelta(hours=24)
OPTIONS: Final = TrainingOptions(trees=100)
PRICES: Final = ("atr_14", "ema_9", "ema_21", "ema_55", "ema_200")
VOLUMES: Final = ("volume_24h", "liquidations_24h")
Matrix = NDArray[np.float32]
Shares = NDArray[np.float64]
Scores = dict[str, float]


def raw(X: Matrix) -> Matrix:
    """The 22 features."""
    return X


def scale_free(X: Matrix) -> Matrix:
    """The product's: ratios in place of everything that is in a symbol's price or volume."""
    return forest_inputs(X)


def without_levels(X: Matrix) -> Matrix:
    """The features that have no level, and no ratios: what leaving out alone is worth."""
    return X[:, KEPT]


def both(X: Matrix) -> Matrix:
    """The 22 features and the ratios."""
    return np.concatenate([X, forest_inputs(X)[:, len(KEPT) :]], axis=1)


INPUTS: Final[Mapping[str, Callable[[Matrix], Matrix]]] = {
    "raw": raw,
    "scale-free": scale_free,
    "raw and scale-free": both,
    "levels left out": without_levels,
}


def moved(samples: Samples, rng: np.random.Generator) -> Samples:
    """The same rows with prices and volumes of each symbol at 0.5, 2 or 5 times their level."""
    X = samples.features.copy()
    for symbol in np.unique(samples.symbols):
        rows = samples.symbols == symbol
        for names in (PRICES, VOLUMES):
            columns = [FEATURES.index(name) for name in names]
            X[np.ix_(rows, columns)] *= np.float32(rng.choice((0.5, 2, 5)))
    return replace(samples, features=X)


def score_seed(size: int, seed: int) -> Iterator[tuple[str, str, Scores]]:
    """Yields variant, kind of holdout and scores of one market."""
    samples = _market(size, seed)
    split = split_by_time(samples.timestamps, 0.2, EMBARGO)
    train, holdout = samples.rows(split.training), samples.rows(split.holdout)
    unseen = str(np.unique(samples.symbols)[-1])
    known = train.rows(train.symbols != unseen)
    tests = {
        "as it is": holdout,
        "levels moved": moved(holdout, np.random.default_rng(seed)),
    }
    stranger = holdout.rows(holdout.symbols == unseen)
    for name, inputs in INPUTS.items():
        forest = grow(inputs(train.features), train.labels, OPTIONS)
        for kind, test in tests.items():
            yield name, kind, _scores(test, forest_probabilities(forest, inputs(test.features)))
        partly = grow(inputs(known.features), known.labels, OPTIONS)
        shares = forest_probabilities(partly, inputs(stranger.features))
        yield name, "unseen symbol", _scores(stranger, shares)
        if name == "raw":
            yield from _calibrated(train, holdout, forest_probabilities(forest, holdout.features))


def _calibrated(
    train: Samples, holdout: Samples, shares: Shares
) -> Iterator[tuple[str, str, Scores]]:
    """Calibration learnt on the newest fifth of the training time, for a forest of the rest."""
    split = split_by_time(train.timestamps, 0.2, EMBARGO)
    older, newer = train.rows(split.training), train.rows(split.holdout)
    forest = grow(older.features, older.labels, OPTIONS)
    learnt = forest_probabilities(forest, newer.features)
    found = minimize_scalar(
        lambda power: measure_confidence(newer.labels, _sharpened(learnt, power)).log_loss,
        bounds=(0.3, 5),
    )
    yield "raw, temperature", "as it is", _scores(holdout, _sharpened(shares, found.x))
    logistic = LogisticRegression(C=1.0, max_iter=2_000).fit(_logs(learnt), newer.labels)
    by_class = np.zeros((len(holdout), len(REGIMES)))
    by_class[:, logistic.classes_] = logistic.predict_proba(_logs(shares))
    yield "raw, logistic by regime", "as it is", _scores(holdout, by_class)


def _sharpened(shares: Shares, power: float) -> Shares:
    powered = shares**power
    return np.asarray(powered / powered.sum(axis=1, keepdims=True))


def _logs(shares: Shares) -> Shares:
    return np.log(np.maximum(shares, 1e-4))


def _scores(samples: Samples, shares: Shares) -> Scores:
    confidence = measure_confidence(samples.labels, shares)
    return {
        "accuracy": 100 * float((shares.argmax(axis=1) == samples.labels).mean()),
        "log loss": confidence.log_loss,
        "calibration error": 100 * confidence.calibration_error,
    }


def _market(size: int, seed: int) -> Samples:
    frame: pd.DataFrame = simulate(
        MarketSpec(rows=round(size / LABELLED), labelled_share=LABELLED, seed=seed)
    )
    frame = frame[frame["regime_label"] != ""].sort_values(["timestamp", "symbol"])
    return Samples(
        frame[list(FEATURES)].to_numpy(np.float32),
        frame["regime_label"].map(REGIMES.index).to_numpy(np.uint8),
        frame["timestamp"].to_numpy("datetime64[s]"),
        frame["symbol"].to_numpy(object),
    )


def _line(of_size: pd.DataFrame, variant: str, kind: str) -> dict[str, Any]:
    """Means over the seeds, and the mean difference to raw with its 95% interval (t, paired)."""
    mine = of_size[(of_size["variant"] == variant) & (of_size["holdout"] == kind)]
    base = of_size[(of_size["variant"] == "raw") & (of_size["holdout"] == kind)]
    gained = mine["accuracy"].to_numpy() - base["accuracy"].to_numpy()
    margin = student.ppf(0.975, len(gained) - 1) * gained.std(ddof=1) / np.sqrt(len(gained))
    return {
        "labels": f"{mine['size'].iloc[0]:,}",
        "holdout": kind,
        "variant": variant,
        "accuracy": f"{mine['accuracy'].mean():.1f}",
        "to raw": "" if variant == "raw" else f"{gained.mean():+.1f} ± {margin:.1f}",
        "better": "" if variant == "raw" else f"{(gained > 0).sum()} of {len(gained)}",
        "log loss": f"{mine['log loss'].mean():.3f}",
        "calibration error": f"{mine['calibration error'].mean():.1f}",
    }


def main() -> None:
    """Runs every seed and writes the section."""
    described = argparse.ArgumentParser(description="Scale-free inputs and calibration.")
    described.add_argument("--seeds", type=int, default=10)
    seeds = described.parse_args().seeds
    rows = [
        {"size": size, "variant": variant, "holdout": kind, **scores}
        for size in SIZES
        for seed in range(seeds)
        for variant, kind, scores in score_seed(size, seed)
    ]
    found = pd.DataFrame(rows)
    lines = [
        _line(found[found["size"] == size], variant, kind)
        for size in SIZES
        for kind in ("as it is", "levels moved", "unseen symbol")
        for variant in found[found["holdout"] == kind]["variant"].unique()
    ]
    body = f"""\
`python -m benchmarks.inputs --seeds {seeds}`, {datetime.now(UTC):%Y-%m-%d}.

{tabulate(lines, "keys", "github", disable_numparse=True)}

Accuracy and calibration error in percent, means of {seeds} markets. `to raw`: mean difference in
points with its 95% interval over the markets; `better`: in how many markets."""
    put_section("Inputs and calibration", body)
    print(body)


if __name__ == "__main__":
    main()
