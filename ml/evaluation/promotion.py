"""The promotion rule: may a candidate replace production? Numbers in, verdict out; nothing else.

Shares are compared as exact fractions of counts, and with the decimals a person wrote.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Final

from ml.errors import ModelError
from ml.evaluation.evidence import Evidence, Pairs

ASK: Final = "ask"
KEEP: Final = "keep"
_WIDE: Final = 0.05
"""An accuracy that is known to no more than this is told with its interval."""


@dataclass(frozen=True)
class PromotionThresholds:
    """What the rule asks for.

    Attributes:
        min_accuracy: floor of the accuracy on the holdout, 0 to 1.
        min_improvement: by how much more than this production must be beaten, -1 to 1.
        max_p_value: largest chance, 0 to 1, of such a difference between equally good models
            (McNemar); None does not ask.
        min_holdout_days: days the holdout must have, or a person decides.
        min_holdout_runs: runs of one regime it must have, or a person decides.
        on_doubt: where a person should decide, `ask` one, or `keep` production at once.

    Raises:
        ModelError: if one is out of range or not a number.
    """

    min_accuracy: float = 0.65
    min_improvement: float = 0.0
    max_p_value: float | None = None
    min_holdout_days: int = 5
    min_holdout_runs: int = 20
    on_doubt: str = ASK

    def __post_init__(self) -> None:
        if self.on_doubt not in {ASK, KEEP}:
            raise ModelError(f"ON_DOUBT is {self.on_doubt!r}", f"choose {ASK} or {KEEP}")
        lowest = {"min_accuracy": 0, "min_improvement": -1, "max_p_value": 0}
        for name, low in lowest.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= 1:
                raise ModelError(f"{name.upper()} is {value}", "choose it between 0 and 1")


@dataclass(frozen=True)
class Decision:
    """The verdict with everything it rests on.

    Attributes:
        deploy: whether the candidate may replace production; with doubts, if a person says so.
        reasons: what speaks against it, or, if nothing does, what speaks for it.
        notes: what a reader must know besides.
        evidence: the counts.
        thresholds: what was asked for.
        doubts: why the rule wants a person to decide; they stand among reasons or notes too.
    """

    deploy: bool
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    evidence: Evidence
    thresholds: PromotionThresholds
    doubts: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain and small enough for an XCom or a JSON file; accuracies are added to the counts."""
        evidence, pairs = self.evidence, self.evidence.pairs
        return {
            "deploy": self.deploy,
            "reasons": list(self.reasons),
            "notes": list(self.notes),
            "doubts": list(self.doubts),
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
        return cls(
            bool(given["deploy"]),
            tuple(given["reasons"]),
            tuple(given["notes"]),
            Evidence.from_dict(given["evidence"]),
            PromotionThresholds(**given["thresholds"]),
            tuple(given.get("doubts", ())),
        )


def decide(evidence: Evidence, thresholds: PromotionThresholds) -> Decision:
    """Applies the rule.

    Deploy if the accuracy reaches the floor, beats always naming the most frequent regime (of the
    training or of the holdout, whichever is better) and, where production could be scored, beats it
    on the same rows by more than the improvement asked and so clearly as was asked. Where the
    holdout is too short to believe, where cross-validation contradicts it, or where the place of
    production is odd, that takes a person's yes, or is refused if nobody is to be asked.

    >>> equal = Evidence(812, 637, 250, Pairs(812, 600, 37, 37))
    >>> decision = decide(equal, PromotionThresholds())
    >>> decision.deploy, decision.reasons[0].split(" on ")[0]
    (False, "accuracy 78.4% is not better than production's 78.4%")
    """
    judged = [_judge_floor(evidence, thresholds), _judge_majority(evidence)]
    if evidence.pairs:
        judged += _judge_against_production(evidence.pairs, thresholds)
    against = tuple(reason for good, reason in judged if not good)
    doubts = (*evidence.doubts, *_thin(evidence, thresholds), *_contradicted(evidence, thresholds))
    notes = (*evidence.notes, *_notes(evidence))
    if doubts and not against and thresholds.on_doubt == KEEP:
        against = tuple(f"a person should decide (ON_DOUBT is {KEEP}): {doubt}" for doubt in doubts)
    elif doubts:
        notes = (*(f"a person should decide: {doubt}" for doubt in doubts), *notes)
    reasons = against or tuple(reason for _, reason in judged)
    return Decision(not against, reasons, notes, evidence, thresholds, doubts)


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
    of_holdout = evidence.holdout_majority_correct > evidence.majority_correct
    constant = max(evidence.majority_correct, evidence.holdout_majority_correct)
    good = evidence.correct > constant
    a, b = _percents(
        Fraction(evidence.correct, evidence.holdout_samples),
        Fraction(constant, evidence.holdout_samples),
    )
    verb = "beats" if good else "does not beat"
    whose = "the holdout's own most frequent regime" if of_holdout else "the most frequent regime"
    return good, f"accuracy {a} {verb} always naming {whose}, {b}"


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
    return good, f"that it alone predicts {rows} correctly {verb} chance (McNemar: {p})"


def _notes(evidence: Evidence) -> tuple[str, ...]:
    notes = []
    if evidence.production_problem:
        notes.append(
            f"PRODUCTION COULD NOT BE SCORED: {evidence.production_problem} "
            "The candidate was judged without it; look at the production file"
        )
    elif not evidence.pairs:
        notes.append("there is no production model, so there was nothing to beat")
    if evidence.coverage:
        notes += _known_to(evidence)
    return tuple(notes)


def _known_to(evidence: Evidence) -> Iterator[str]:
    """How far the accuracy is known, where that is not far."""
    holdout = f"{evidence.coverage} in {evidence.holdout_samples} rows"
    if evidence.interval is None:
        yield f"the holdout ({holdout}) is too short to say how far its accuracy is chance"
        return
    low, high = evidence.interval
    if high - low > 2 * _WIDE:
        yield (
            f"the accuracy is known to about {50 * (high - low):.0f} points "
            f"(95%: {low:.1%} to {high:.1%}; {holdout})"
        )


def _thin(evidence: Evidence, thresholds: PromotionThresholds) -> Iterator[str]:
    """Too little in the holdout that is independent: rows of one stretch are right by luck."""
    coverage = evidence.coverage
    if coverage is None:
        return
    days, runs = thresholds.min_holdout_days, thresholds.min_holdout_runs
    if coverage.days >= days and coverage.runs >= runs:
        return
    yield (
        f"the holdout's {evidence.holdout_samples} rows come from {coverage}, too few to believe "
        f"their accuracy (asked for: {days} days and {runs} runs, MIN_HOLDOUT_DAYS and "
        f"MIN_HOLDOUT_RUNS): label rows spread over weeks, so that the newest labels cover {days} "
        "days or more and several changes of regime in each symbol"
    )


def _contradicted(evidence: Evidence, thresholds: PromotionThresholds) -> Iterator[str]:
    """Cross-validation on earlier times that says another thing than the holdout."""
    if evidence.cv_interval is None:
        return
    low, high = evidence.cv_interval
    told = f"cross-validation in time (95%: {low:.1%} to {high:.1%})"
    if high < thresholds.min_accuracy:
        yield f"{told} lies below the floor of {thresholds.min_accuracy:.1%} (MIN_ACCURACY)"
    elif evidence.interval and (high < evidence.interval[0] or low > evidence.interval[1]):
        a, b = evidence.interval
        yield f"{told} and holdout (95%: {a:.1%} to {b:.1%}) differ by more than chance"


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
