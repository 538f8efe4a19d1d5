"""Asks candidate and production the same rows through their files: holdout and unlabelled ones.

The promotion rule itself is in `ml.evaluation.promotion`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession

from ml.contract import REGIMES
from ml.data.samples import Samples, moment_of
from ml.data.split import MIN_HOLDOUT_SAMPLES
from ml.errors import ModelBroken
from ml.evaluation.paired import Comparison, losing_slices
from ml.evaluation.promotion import Evidence
from ml.evaluation.statistics import bootstrap_interval, prediction_interval
from ml.evaluation.switching import Costs, mean_cost
from ml.onnx_model import check_contract, load_model, read_metadata, score
from ml.words import percent

_NAME = "production model"


@dataclass(frozen=True)
class Scored:
    """Candidate and production on the holdout.

    Attributes:
        evidence: the counts that the promotion rule judges.
        compared: which holdout rows both were compared on `[n]`; none if there was nothing to
            compare with.
        candidate_correct: which holdout rows the candidate predicted correctly `[n]`.
        production_correct: which ones production did `[n]`; None if it was not scored.
    """

    evidence: Evidence
    compared: NDArray[np.bool_]
    candidate_correct: NDArray[np.bool_]
    production_correct: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Unseen:
    """Which holdout rows `[n]` a model is compared on, and what to say about it."""

    rows: NDArray[np.bool_]
    notes: tuple[str, ...] = ()


def score_on_holdout(
    holdout: Samples,
    candidate: InferenceSession,
    production: bytes | None,
    majority: str,
    costs: Costs | None = None,
) -> Scored:
    """Counts what the promotion rule asks for.

    Args:
        holdout: the samples kept for the verdict.
        candidate: the open model under judgement.
        production: content of the production file; None if there is none. If it is broken that is
            evidence too, not an error.
        majority: the most frequent regime of the training samples.
        costs: `[7][7]`, of naming the column's regime where the row's is true; None if not set.

    Raises:
        ModelBroken: if the candidate does not answer.
    """
    y_pred, probabilities = score(candidate, holdout.features, "candidate")
    correct = y_pred == holdout.labels
    counts = holdout.class_counts()
    interval = prediction_interval(correct, holdout.timestamps)
    alone = Evidence(
        len(holdout),
        int(correct.sum()),
        counts[majority],
        holdout_majority_correct=max(counts.values()),
        coverage=holdout.coverage(),
        interval=(interval[0], interval[1]) if interval else None,
    )
    nothing = np.zeros(len(holdout), bool)
    if production is None:
        return Scored(alone, nothing, correct)
    doubts: tuple[str, ...] = ()
    try:
        session = load_model(production, _NAME)
        try:
            check_contract(session, _NAME)
        except ModelBroken as problem:
            doubts = (_other_signature(problem),)
            raise
        production_pred, production_probabilities = score(session, holdout.features, _NAME)
    except ModelBroken as problem:
        broken = replace(alone, production_problem=str(problem), doubts=doubts)
        return Scored(broken, nothing, correct)
    unseen = unseen_rows(holdout.timestamps, read_metadata(session))
    production_correct = production_pred == holdout.labels
    compared = _compare(correct, production_correct, unseen.rows, holdout.timestamps)
    mean = mean_costs(holdout.labels, (y_pred, production_pred), unseen.rows, costs)
    slices = losing_slices(holdout, correct, production_correct, unseen.rows)
    evidence = replace(
        alone,
        comparison=replace(compared, costs=mean, slices=slices),
        notes=(*_lost(probabilities, production_probabilities), *unseen.notes),
    )
    return Scored(evidence, unseen.rows, correct, production_correct)


def mean_costs(
    y_true: NDArray[np.uint8],
    predicted: tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]],
    rows: NDArray[np.bool_],
    costs: Costs | None,
) -> tuple[float, float] | None:
    """What candidate's and production's predictions cost on average, on the rows that count.

    Args:
        y_true: indices into `REGIMES` `[n]`.
        predicted: what both say `[n]`.
        rows: which count `[n]`.
        costs: of naming the column's regime where the row's is true; None gives None.
    """
    if not costs:
        return None
    a, b = (mean_cost(y_true[rows], y[rows], np.array(costs)) for y in predicted)
    return a, b


def _other_signature(problem: ModelBroken) -> str:
    """Says of a file that opens that it is no model of ours."""
    return (
        "production is a sound model that answers in another way than ours, perhaps another "
        f"product's ({'; '.join(problem.problems)}): see that MODELS_DIR is the right place"
    )


def _lost(probabilities: NDArray[np.float64], production: NDArray[np.float64]) -> tuple[str, ...]:
    """Names the regimes that production predicts and the candidate cannot."""
    # A regime without training samples has no probability in any row.
    lost = (production.max(axis=0) > 0) & (probabilities.max(axis=0) == 0)
    names = [name for name, is_lost in zip(REGIMES, lost, strict=True) if is_lost]
    return (
        (f"production predicts {', '.join(names)}, which this model never does",) if names else ()
    )


def _compare(
    candidate: NDArray[np.bool_],
    production: NDArray[np.bool_],
    rows: NDArray[np.bool_],
    timestamps: NDArray[np.datetime64],
) -> Comparison:
    """Compares which rows were predicted correctly `[n]`, on those that count."""
    a, b = candidate[rows], production[rows]
    interval = bootstrap_interval(a.astype(float) - b, timestamps[rows])
    return Comparison.of(
        a,
        b,
        left_out_rows=len(rows) - len(a),
        difference_interval=(interval[0], interval[1]) if interval else None,
    )


def unseen_rows(timestamps: NDArray[np.datetime64], metadata: Mapping[str, str]) -> Unseen:
    """Leaves out the rows that production says it was trained on, unless too few would be left."""
    everything = np.ones(len(timestamps), bool)
    try:
        start, end = (moment_of(metadata[key]) for key in ("train_start", "train_end"))
    except (KeyError, ValueError):
        note = (
            "the production file does not say what it was trained on, so rows it may have seen "
            "could not leave the comparison"
        )
        return Unseen(everything, (note,))
    seen = (timestamps >= start) & (timestamps <= end)
    count = int(np.count_nonzero(seen))
    if not count:
        return Unseen(everything)
    period = f"production was trained on {metadata['train_start']} to {metadata['train_end']}"
    if len(timestamps) - count < MIN_HOLDOUT_SAMPLES:
        note = (
            f"{period}, where {count} of the {len(timestamps)} holdout rows lie: too few would be "
            "left, so they could not leave the comparison, which favours production"
        )
        return Unseen(everything, (note,))
    note = f"{period}: the {count} holdout rows of that time left the comparison of both models"
    return Unseen(~seen, (note,))


_MOST_PAIRS: Final = 10
_MOST_SYMBOLS: Final = 20
_TOLD: Final = 3
Labels = NDArray[np.int64]


def compare_answers(
    rows: Mapping[str, NDArray[Any]], candidate: InferenceSession, production: InferenceSession
) -> dict[str, Any] | None:
    """Compares what two models say of rows that nobody has labelled yet.

    Args:
        rows: `features` float32 `[n, 22]`, `timestamps`, `symbols`, by time; those with a value
            that is not finite are left out.
        candidate: an open model.
        production: the one that trades.

    Returns:
        `rows` and `days`; `differ`: share of the rows on which they differ; `pairs` of regimes with
        their rows, and `symbols` with their shares, the most first; `switches`: from one regime to
        another, a symbol and day, of each model; `words` for people. None without rows.
    """
    finite = np.isfinite(rows["features"]).all(axis=1)
    X, symbols = rows["features"][finite], rows["symbols"][finite].astype(str)
    if not len(X):
        return None
    new, old = score(candidate, X)[0], score(production, X, "production model")[0]
    days = rows["timestamps"][finite].astype("datetime64[D]")
    symbol_days = len({*zip(symbols.tolist(), days.tolist(), strict=True)})
    both = {"candidate": new, "production": old}
    told: dict[str, Any] = {
        "rows": len(X),
        "days": len(np.unique(days)),
        "differ": float(np.mean(new != old)),
        "pairs": _pairs(new, old),
        "symbols": _by_symbol(new != old, symbols),
        "switches": {name: _switches(of, symbols) / symbol_days for name, of in both.items()},
    }
    return told | {"words": list(_words(told))}


def _switches(labels: Labels, symbols: NDArray[Any]) -> int:
    order = np.argsort(symbols, kind="stable")
    labels, symbols = labels[order], symbols[order]
    return int(np.sum((labels[1:] != labels[:-1]) & (symbols[1:] == symbols[:-1])))


def _pairs(new: Labels, old: Labels) -> list[dict[str, Any]]:
    apart = new != old
    counted = Counter(zip(old[apart].tolist(), new[apart].tolist(), strict=True))
    return [
        {"production": REGIMES[before], "candidate": REGIMES[after], "rows": count}
        for (before, after), count in counted.most_common(_MOST_PAIRS)
    ]


def _by_symbol(apart: NDArray[np.bool_], symbols: NDArray[Any]) -> list[dict[str, Any]]:
    names, which = np.unique(symbols, return_inverse=True)
    shares = np.bincount(which, apart) / np.bincount(which)
    most = np.argsort(-shares, kind="stable")[:_MOST_SYMBOLS]
    return [{"symbol": str(names[k]), "differ": float(shares[k])} for k in most]


def _words(told: Mapping[str, Any]) -> Iterator[str]:
    differ = told["differ"]
    how = f"otherwise than production on {percent(differ)}" if differ else "as production does"
    yield (
        f"On the newest {told['rows']:,} unlabelled rows of {told['days']} days the candidate "
        f"answers {how}."
    )
    pairs = [f"{p['production']} → {p['candidate']} {p['rows']:,}" for p in told["pairs"][:_TOLD]]
    if pairs:
        yield f"Most: {', '.join(pairs)} rows."
    often = ", ".join(f"{name} {count:.1f}" for name, count in told["switches"].items())
    yield f"Switches from one regime to another, a symbol and day: {often}."
