"""Compares any two model files on the holdout rows of a snapshot, by the code that judges runs."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tabulate import tabulate

from ml.contract import REGIMES
from ml.data.samples import Samples, utc
from ml.data.split import split_by_time
from ml.errors import ModelError
from ml.evaluation.comparison import score_on_holdout
from ml.evaluation.promotion import Decision, PromotionThresholds, decide
from ml.evaluation.scores import Scores, evaluate, most_frequent
from ml.onnx_model import check_contract, load_model, read_metadata, score
from ml.registry.models import ModelsDir, read_candidate, read_production
from ml.report.text import paired_lines
from ml.words import percent, when


@dataclass(frozen=True)
class Side:
    """One of two models on the same rows.

    Attributes:
        name: what the person called it.
        sha256: hex digest.
        start: first training timestamp, as its file says it; else empty.
        end: the last one, likewise.
        scores: on all holdout rows.
    """

    name: str
    sha256: str
    start: str
    end: str
    scores: Scores


@dataclass(frozen=True)
class Versus:
    """Two models on the same rows.

    Attributes:
        sides: both.
        decision: whether the first, as the candidate, may replace the second.
        period: first and last timestamp of the holdout.
    """

    sides: tuple[Side, Side]
    decision: Decision
    period: tuple[str, str]


def find_model(models_dir: ModelsDir, name: str) -> bytes:
    """Reads the model that a person names: an ONNX file, `production`, or a candidate's run id.

    Raises:
        ModelError: if there is none of this name.
    """
    if Path(name).is_file():
        return Path(name).read_bytes()
    if name == "production":
        production = read_production(models_dir)
        if production is None:
            raise ModelError(f"There is no production model in {models_dir}", "see --models-dir")
        return production.model
    if name.endswith(".onnx"):
        raise ModelError(f"There is no file {name}", "give the path of an ONNX file, or a run id")
    return read_candidate(models_dir, name).model


def compare_models(
    models: Sequence[tuple[str, bytes]],
    samples: Samples,
    holdout_fraction: float,
    embargo: timedelta,
    thresholds: PromotionThresholds,
) -> Versus:
    """Scores two models on the newest samples, and asks whether the first may replace the second.

    Args:
        models: two names with their files' content.
        samples: every labelled sample of a snapshot.
        holdout_fraction: newest share to compare on.
        embargo: gap between training and holdout, for the most frequent regime of the training.
        thresholds: what the promotion rule asks for.

    Raises:
        ModelBroken: if a file is no model of the contract.
        TooFewSamples: if too few rows are left.
    """
    split = split_by_time(samples.timestamps, holdout_fraction, embargo)
    train, holdout = samples.rows(split.training), samples.rows(split.holdout)
    majority = most_frequent(train.class_counts())
    sides, sessions = [], []
    for name, file in models:
        session = load_model(file, name)
        check_contract(session, name)
        told, found = read_metadata(session), score(session, holdout.features, name)[0]
        window = told.get("train_start", ""), told.get("train_end", "")
        scores = evaluate(holdout.labels, found)
        sides.append(Side(name, hashlib.sha256(file).hexdigest(), *window, scores))
        sessions.append(session)
    other, costs = models[1][1], thresholds.decision_costs
    evidence = score_on_holdout(holdout, sessions[0], other, majority, costs).evidence
    period = (utc(holdout.timestamps[0]).isoformat(), utc(holdout.timestamps[-1]).isoformat())
    return Versus((sides[0], sides[1]), decide(evidence, thresholds), period)


def versus_text(versus: Versus) -> str:
    """Renders a comparison for people: scores side by side, then the verdict."""
    one, other = versus.sides
    a, b = one.scores, other.scores
    rows: list[tuple[str, str, str]] = [
        ("SHA-256", one.sha256[:12], other.sha256[:12]),
        ("trained from", one.start[:10] or "not known", other.start[:10] or "not known"),
        ("to", one.end[:10] or "not known", other.end[:10] or "not known"),
        ("rows", str(a.rows), str(b.rows)),
        ("predicted correctly", str(a.correct), str(b.correct)),
        ("accuracy", percent(a.accuracy), percent(b.accuracy)),
        ("balanced accuracy", percent(a.balanced_accuracy), percent(b.balanced_accuracy)),
        ("macro F1", percent(a.macro_f1), percent(b.macro_f1)),
        *(
            (f"recall of {name}", percent(a.regimes[k].recall), percent(b.regimes[k].recall))
            for k, name in enumerate(REGIMES)
            if a.regimes[k].support
        ),
    ]
    names = one.name, other.name
    table = tabulate(rows, ("", *names), "simple", disable_numparse=True)
    decision, compared = versus.decision, versus.decision.evidence.comparison
    verdict = "may" if decision.deploy else "may NOT"
    lines = (
        f"Holdout: {when(versus.period[0])} to {when(versus.period[1])}",
        *_seen(one, versus.period),
        *(paired_lines(compared.to_dict(), names) if compared else ()),
        f"{one.name} {verdict} replace {other.name}:",
        *(f"  - {reason}" for reason in decision.reasons),
        *(f"  Note: {note}" for note in decision.notes),
    )
    return "\n".join((table, "", *lines))


def _seen(side: Side, period: tuple[str, str]) -> Iterator[str]:
    """Rows the second model has seen left the comparison; those the first has seen are in it."""
    if side.start <= period[1] and side.end >= period[0]:
        yield (
            f"  Note: {side.name} was trained on {when(side.start)} to {when(side.end)}, which "
            "reaches into the holdout: its scores here are too good"
        )
