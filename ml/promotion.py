"""The promotion rule: may a candidate replace production? Numbers in, verdict out; nothing else.

Shares are compared as exact fractions of counts, and with the decimals a person wrote.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from ml.errors import ModelError
from ml.evidence import Evidence

_FEW_ROWS = 100


@dataclass(frozen=True)
class PromotionThresholds:
    """What the rule asks for.

    Attributes:
        min_accuracy: floor of the accuracy on the holdout, 0 to 1.
        min_improvement: by how much more than this production must be beaten, -1 to 1.

    Raises:
        ModelError: if one is out of range or not a number.
    """

    min_accuracy: float = 0.65
    min_improvement: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.min_accuracy <= 1 and -1 <= self.min_improvement <= 1):
            raise ModelError(
                f"MIN_ACCURACY is {self.min_accuracy} and MIN_IMPROVEMENT {self.min_improvement}",
                "choose them between 0 and 1",
            )


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
        evidence = self.evidence
        return {
            "deploy": self.deploy,
            "reasons": list(self.reasons),
            "notes": list(self.notes),
            "accuracy": evidence.accuracy,
            "majority_accuracy": evidence.majority_accuracy,
            "candidate_accuracy": evidence.candidate_accuracy,
            "production_accuracy": evidence.production_accuracy,
            "production_problem": evidence.production_problem,
            "holdout_samples": evidence.holdout_samples,
            "compared_samples": evidence.compared_samples,
            "thresholds": asdict(self.thresholds),
            "evidence": asdict(evidence) | {"notes": list(evidence.notes)},
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> "Decision":
        """The decision `to_dict` was made from."""
        evidence = given["evidence"]
        return cls(
            bool(given["deploy"]),
            tuple(given["reasons"]),
            tuple(given["notes"]),
            Evidence(**{**evidence, "notes": tuple(evidence["notes"])}),
            PromotionThresholds(**given["thresholds"]),
        )


def decide(evidence: Evidence, thresholds: PromotionThresholds) -> Decision:
    """Applies the rule.

    Deploy if the accuracy reaches the floor, beats always naming the most frequent regime and,
    where production could be scored, beats it on the same rows by more than the improvement asked.

    >>> equal = Evidence(812, 637, 250, 812, 637, 637)
    >>> decision = decide(equal, PromotionThresholds())
    >>> decision.deploy, decision.reasons[0].split(" on ")[0]
    (False, "accuracy 78.4% is not better than production's 78.4%")
    """
    judged = [_judge_floor(evidence, thresholds), _judge_majority(evidence)]
    if evidence.production_correct is not None:
        judged.append(_judge_production(evidence, thresholds))
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


def _judge_production(evidence: Evidence, thresholds: PromotionThresholds) -> tuple[bool, str]:
    rows = evidence.compared_samples
    if not rows or evidence.production_correct is None:
        return False, "there is no row to compare with production on"
    candidate = Fraction(evidence.candidate_correct, rows)
    production = Fraction(evidence.production_correct, rows)
    asked = _exact(thresholds.min_improvement)
    good = candidate > production + asked
    a, b = _percents(candidate, production)
    verb = "is better than" if good else "is not better than"
    if not good and candidate > production:
        verb = "is not better by enough than"
    same = f"on the same {rows} rows (MIN_IMPROVEMENT {float(asked):.1%})"
    return good, f"accuracy {a} {verb} production's {b} {same}"


def _notes(evidence: Evidence) -> tuple[str, ...]:
    notes = []
    if evidence.production_problem:
        notes.append(
            f"PRODUCTION COULD NOT BE SCORED: {evidence.production_problem} "
            "The candidate was judged without it; look at the production file"
        )
    elif evidence.production_correct is None:
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
