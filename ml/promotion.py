"""The promotion rule: may a candidate replace production? Numbers in, verdict out; nothing else.

Shares are compared as exact fractions of counts, and with the decimals a person wrote.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from ml.errors import ModelError
from ml.evidence import Evidence, Pairs

_FEW_ROWS = 100


@dataclass(frozen=True)
class PromotionThresholds:
    """What the rule asks for.

    Attributes:
        min_accuracy: floor of the accuracy on the holdout, 0 to 1.
        min_improvement: by how much more than this production must be beaten, -1 to 1.
        max_p_value: largest chance, 0 to 1, of such a difference between equally good models
            (McNemar); None does not ask.

    Raises:
        ModelError: if one is out of range or not a number.
    """

    min_accuracy: float = 0.65
    min_improvement: float = 0.0
    max_p_value: float | None = None

    def __post_init__(self) -> None:
        lowest = {"min_accuracy": 0, "min_improvement": -1, "max_p_value": 0}
        for name, low in lowest.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= 1:
                raise ModelError(f"{name.upper()} is {value}", "choose it between 0 and 1")


@dataclass(frozen=True)
class Decision:
    """The verdict with everything it rests on.

    Attributes:
        deploy: whether the candidate may replace production.
        reasons: what speaks against it, or, if nothing does, what speaks for it.
        notes: what a reader must know besides.
        evidence: the counts.
        thresholds: what was asked for.
    """

    deploy: bool
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    evidence: Evidence
    thresholds: PromotionThresholds

    def to_dict(self) -> dict[str, Any]:
        """Plain and small enough for an XCom or a JSON file; accuracies are added to the counts."""
        evidence, pairs = self.evidence, self.evidence.pairs
        return {
            "deploy": self.deploy,
            "reasons": list(self.reasons),
            "notes": list(self.notes),
            "accuracy": evidence.accuracy,
            "majority_accuracy": evidence.majority_accuracy,
            "candidate_accuracy": pairs and pairs.candidate_accuracy,
            "production_accuracy": pairs and pairs.production_accuracy,
            "p_value": pairs and pairs.p_value,
            "production_problem": evidence.production_problem,
            "holdout_samples": evidence.holdout_samples,
            "compared_samples": pairs.rows if pairs else 0,
            "thresholds": asdict(self.thresholds),
            "evidence": asdict(evidence) | {"notes": list(evidence.notes)},
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> "Decision":
        """The decision `to_dict` was made from."""
        evidence = dict(given["evidence"])
        pairs = evidence.pop("pairs")
        evidence["notes"] = tuple(evidence["notes"])
        return cls(
            bool(given["deploy"]),
            tuple(given["reasons"]),
            tuple(given["notes"]),
            Evidence(**evidence, pairs=pairs and Pairs(**pairs)),
            PromotionThresholds(**given["thresholds"]),
        )


def decide(evidence: Evidence, thresholds: PromotionThresholds) -> Decision:
    """Applies the rule.

    Deploy if the accuracy reaches the floor, beats always naming the most frequent regime and,
    where production could be scored, beats it on the same rows by more than the improvement asked
    and so clearly as was asked.

    >>> equal = Evidence(812, 637, 250, Pairs(812, 600, 37, 37))
    >>> decision = decide(equal, PromotionThresholds())
    >>> decision.deploy, decision.reasons[0].split(" on ")[0]
    (False, "accuracy 78.4% is not better than production's 78.4%")
    """
    judged = [_judge_floor(evidence, thresholds), _judge_majority(evidence)]
    if evidence.pairs:
        judged += _judge_against_production(evidence.pairs, thresholds)
    against = tuple(reason for good, reason in judged if not good)
    reasons = against or tuple(reason for _, reason in judged)
    notes = (*evidence.notes, *_notes(evidence))
    return Decision(not against, reasons, notes, evidence, thresholds)


def _judge_floor(evidence: Evidence, thresholds: PromotionThresholds) -> tuple[bool, str]:
    if not evidence.holdout_samples:
        return False, "there is no holdout row to measure accuracy on"
    floor = _exact(thresholds.min_accuracy)
    accuracy = Fraction(evidence.correct, evidence.holdout_samples)
    good = accuracy >= floor
    a, b = _percents(accuracy, floor)
    verb = "reaches" if good else "is below"
    return good, f"accuracy {a} {verb} the floor of {b} (MIN_ACCURACY)"


def _judge_majority(evidence: Evidence) -> tuple[bool, str]:
    if not evidence.holdout_samples:
        return False, "there is no holdout row to measure the most frequent regime on"
    good = evidence.correct > evidence.majority_correct
    a, b = _percents(
        Fraction(evidence.correct, evidence.holdout_samples),
        Fraction(evidence.majority_correct, evidence.holdout_samples),
    )
    verb = "beats" if good else "does not beat"
    return good, f"accuracy {a} {verb} always naming the most frequent regime, {b}"


def _judge_against_production(
    pairs: Pairs, thresholds: PromotionThresholds
) -> Iterator[tuple[bool, str]]:
    yield _judge_difference(pairs, thresholds.min_improvement)
    if thresholds.max_p_value is not None:
        yield _judge_chance(pairs, thresholds.max_p_value)


def _judge_difference(pairs: Pairs, min_improvement: float) -> tuple[bool, str]:
    candidate = Fraction(pairs.candidate_correct, pairs.rows)
    production = Fraction(pairs.production_correct, pairs.rows)
    asked = _exact(min_improvement)
    good = candidate > production + asked
    a, b = _percents(candidate, production)
    verb = "is better than" if good else "is not better than"
    if not good and candidate > production:
        verb = "is not better by enough than"
    same = f"on the same {pairs.rows} rows (MIN_IMPROVEMENT {float(asked):.1%})"
    return good, f"accuracy {a} {verb} production's {b} {same}"


def _judge_chance(pairs: Pairs, max_p_value: float) -> tuple[bool, str]:
    good = pairs.p_value <= max_p_value
    verb = "is hardly" if good else "may be"
    rows = f"{pairs.only_candidate_right} rows against {pairs.only_production_right}"
    p = f"p = {pairs.p_value:.2g}, MAX_P_VALUE {max_p_value:g}"
    return good, f"that it alone names {rows} rightly {verb} chance (McNemar: {p})"


def _notes(evidence: Evidence) -> tuple[str, ...]:
    notes = []
    if evidence.production_problem:
        notes.append(
            f"PRODUCTION COULD NOT BE SCORED: {evidence.production_problem} "
            "The candidate was judged without it; look at the production file"
        )
    elif not evidence.pairs:
        notes.append("there is no production model, so there was nothing to beat")
    rows = evidence.holdout_samples
    if 0 < rows < _FEW_ROWS:
        share = evidence.correct / rows
        margin = 1.96 * (share * (1 - share) / rows) ** 0.5
        notes.append(
            f"the holdout has only {rows} rows, so its accuracy is known to about "
            f"{100 * margin:.0f} points (95%)"
        )
    return tuple(notes)


def _exact(number: float) -> Fraction:
    """The decimal a person wrote, not the double nearest to it."""
    return Fraction(str(number))


def _percents(first: Fraction, second: Fraction) -> tuple[str, str]:
    """Both as percentages, with as many digits as it takes to see that they differ.

    >>> _percents(Fraction(6499, 10000), Fraction(65, 100))
    ('64.99%', '65.00%')
    """
    for digits in (1, 2, 3):
        texts = f"{float(first):.{digits}%}", f"{float(second):.{digits}%}"
        if first == second or texts[0] != texts[1]:
            break
    return (f"{float(first):.1%}", f"{float(second):.1%}") if texts[0] == texts[1] else texts
