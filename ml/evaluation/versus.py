"""Compares any two model files on the holdout rows of a snapshot, by the code that judges runs."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from onnxruntime import InferenceSession
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
class Versus:
    """Two models on the same rows.

    Attributes:
        names: what the person called them.
        shas: hex digests.
        windows: first and last training timestamp of each, as its file says them; else empty.
        scores: of each on all holdout rows.
        decision: whether the first, as the candidate, may replace the second.
        period: first and last timestamp of the holdout.
    """

    names: tuple[str, str]
    shas: tuple[str, str]
    windows: tuple[tuple[str, str], tuple[str, str]]
    scores: tuple[Scores, Scores]
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
    names, files = zip(*models, strict=True)
    sessions = [load_model(file, name) for name, file in models]
    for name, session in zip(names, sessions, strict=True):
        check_contract(session, name)
    majority = most_frequent(train.class_counts())
    costs = thresholds.decision_costs
    evidence = score_on_holdout(holdout, sessions[0], files[1], majority, costs).evidence
    scores = [
        evaluate(holdout.labels, score(session, holdout.features, name)[0])
        for name, session in zip(names, sessions, strict=True)
    ]
    return Versus(
        names=(names[0], names[1]),
        shas=(_sha256(files[0]), _sha256(files[1])),
        windows=(_window(sessions[0]), _window(sessions[1])),
        scores=(scores[0], scores[1]),
        decision=decide(evidence, thresholds),
        period=(utc(holdout.timestamps[0]).isoformat(), utc(holdout.timestamps[-1]).isoformat()),
    )


def versus_text(versus: Versus) -> str:
    """Renders a comparison for people: scores side by side, then the verdict."""
    a, b = versus.scores
    rows: list[tuple[str, str, str]] = [
        ("SHA-256", versus.shas[0][:12], versus.shas[1][:12]),
        ("trained from", _day(versus.windows[0][0]), _day(versus.windows[1][0])),
        ("to", _day(versus.windows[0][1]), _day(versus.windows[1][1])),
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
    table = tabulate(rows, ("", *versus.names), "simple", disable_numparse=True)
    decision, compared = versus.decision, versus.decision.evidence.comparison
    verdict = "may" if decision.deploy else "may NOT"
    lines = (
        f"Holdout: {when(versus.period[0])} to {when(versus.period[1])}",
        *_seen(versus),
        *(paired_lines(compared.to_dict(), versus.names) if compared else ()),
        f"{versus.names[0]} {verdict} replace {versus.names[1]}:",
        *(f"  - {reason}" for reason in decision.reasons),
        *(f"  Note: {note}" for note in decision.notes),
    )
    return "\n".join((table, "", *lines))


def _seen(versus: Versus) -> Iterator[str]:
    """Rows the second model has seen left the comparison; those the first has seen are in it."""
    start, end = versus.windows[0]
    if start <= versus.period[1] and end >= versus.period[0]:
        yield (
            f"  Note: {versus.names[0]} was trained on {when(start)} to {when(end)}, which reaches "
            "into the holdout: its scores here are too good"
        )


def _window(session: InferenceSession) -> tuple[str, str]:
    metadata = read_metadata(session)
    return metadata.get("train_start", ""), metadata.get("train_end", "")


def _day(moment: str) -> str:
    return moment[:10] or "not known"


def _sha256(model: bytes) -> str:
    return hashlib.sha256(model).hexdigest()
