"""The promotion rule: may a candidate replace production? Numbers in, verdict out; nothing else.

All comparisons are made on counts of right answers, so that equal models are never told apart by
the last digit of a quotient.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from ml.errors import ModelError

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
class Evidence:
    """What was counted on the holdout.

    Attributes:
        holdout_samples: rows of the holdout.
        correct: rows the candidate named rightly.
        majority_correct: rows that naming the most frequent training regime gets right.
        compared_samples: rows both models were compared on; 0 if there was nothing to compare with.
        candidate_correct: rows among those that the candidate named rightly.
        production_correct: rows among those that production named rightly; None if not scored.
        production_problem: why the production file could not be scored; None if it could, or if
            there is none.
        notes: what a reader must know about the comparison.

    Raises:
        ModelError: if a count is not a whole number between 0 and its number of rows.
    """

    holdout_samples: int
    correct: int
    majority_correct: int
    compared_samples: int = 0
    candidate_correct: int = 0
    production_correct: int | None = None
    production_problem: str | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        on_holdout = (self.correct, self.majority_correct, self.compared_samples)
        compared = (self.candidate_correct, self.production_correct or 0)
        pairs = [(count, self.holdout_samples) for count in on_holdout]
        pairs += [(count, self.compared_samples) for count in compared]
        if not all(isinstance(count, int) and 0 <= count <= rows for count, rows in pairs):
            raise ModelError(f"The counts do not fit together: {self}", "report this as a defect")

    @property
    def accuracy(self) -> float | None:
        """The candidate's accuracy on the holdout, 0 to 1; None without a row."""
        return _share(self.correct, self.holdout_samples)

    @property
    def majority_accuracy(self) -> float | None:
        """Accuracy of always naming the most frequent training regime."""
        return _share(self.majority_correct, self.holdout_samples)

    @property
    def candidate_accuracy(self) -> float | None:
        """The candidate's accuracy on the rows compared."""
        return _share(self.candidate_correct, self.compared_samples)

    @property
    def production_accuracy(self) -> float | None:
        """Production's accuracy on the rows compared; None if it was not scored."""
        if self.production_correct is None:
            return None
        return _share(self.production_correct, self.compared_samples)


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


def _share(count: int, rows: int) -> float | None:
    return count / rows if rows else None


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
