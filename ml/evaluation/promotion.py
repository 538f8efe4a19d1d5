"""The promotion rule: may a candidate replace production? Counts in, decision out; nothing else.

Counts, not quotients: equal models are never told apart by the last digit, and there is no NaN.
Shares are compared as exact fractions, and with the decimals a person wrote.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any, Final

from ml.data.samples import Coverage
from ml.errors import ModelError
from ml.evaluation.paired import Comparison, SliceLosses, unfitting
from ml.evaluation.switching import Costs

ASK: Final = "ask"
KEEP: Final = "keep"
_WIDE: Final = 0.05
"""An accuracy that is known to no more than this is told with its interval."""


@dataclass(frozen=True)
class Evidence:
    """What was counted on the holdout.

    Attributes:
        holdout_samples: rows of the holdout.
        correct: rows the candidate predicted correctly.
        majority_correct: rows that naming the most frequent training regime gets right.
        comparison: candidate against production; None if production was not scored.
        production_problem: why the production file could not be scored; None if it could, or if
            there is none.
        notes: what a reader must know about the comparison.
        holdout_majority_correct: rows that naming the holdout's own most frequent regime gets
            right.
        coverage: what of the holdout is independent; None if it was not counted, as of simulated
            counts: then nothing is asked of it.
        interval: 95% interval of the accuracy on rows that follow (`prediction_interval`); None
            if the holdout is too short to tell.
        cv_interval: 95% interval of the accuracy in cross-validation in time.
        doubts: what only a person can judge about the place of production.

    Raises:
        ModelError: if a count is not a whole number between 0 and its number of rows.
    """

    holdout_samples: int
    correct: int
    majority_correct: int
    comparison: Comparison | None = None
    production_problem: str | None = None
    notes: tuple[str, ...] = ()
    holdout_majority_correct: int = 0
    coverage: Coverage | None = None
    interval: tuple[float, float] | None = None
    cv_interval: tuple[float, float] | None = None
    doubts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        compared = self.comparison.rows if self.comparison else 0
        counts = (self.correct, self.majority_correct, self.holdout_majority_correct, compared)
        if not all(isinstance(n, int) and 0 <= n <= self.holdout_samples for n in counts):
            raise unfitting(self)

    @property
    def accuracy(self) -> float | None:
        """The candidate's accuracy on the holdout, 0 to 1; None without a row."""
        return _share(self.correct, self.holdout_samples)

    @property
    def majority_accuracy(self) -> float | None:
        """Accuracy of always naming the most frequent training regime."""
        return _share(self.majority_correct, self.holdout_samples)


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
        max_slice_loss: most accuracy, 0 to 1, that a regime or symbol may lose to production beyond
            chance; None does not ask.
        decision_costs: `[7][7]`, what it costs to name the column's regime where the row's is true:
            the candidate's mean must be lower than production's; None does not ask.

    Raises:
        ModelError: if one is out of range or not a number.
    """

    min_accuracy: float = 0.65
    min_improvement: float = 0.0
    max_p_value: float | None = None
    min_holdout_days: int = 5
    min_holdout_runs: int = 20
    on_doubt: str = ASK
    max_slice_loss: float | None = None
    decision_costs: Costs | None = None

    def __post_init__(self) -> None:
        if self.on_doubt not in {ASK, KEEP}:
            raise ModelError(f"ON_DOUBT is {self.on_doubt!r}", f"choose {ASK} or {KEEP}")
        lowest = {"min_accuracy": 0, "min_improvement": -1, "max_p_value": 0, "max_slice_loss": 0}
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
        """The decision as XComs, `metrics.json`, pages and messages have it: plain and small."""
        counted = asdict(replace(self.evidence, comparison=None))
        comparison = self.evidence.comparison and self.evidence.comparison.to_dict()
        return {
            **counted,
            "deploy": self.deploy,
            "reasons": list(self.reasons),
            "notes": list(self.notes),
            "doubts": list(self.doubts),
            "accuracy": self.evidence.accuracy,
            "majority_accuracy": self.evidence.majority_accuracy,
            "production_accuracy": comparison and comparison["production_accuracy"],
            "comparison": comparison,
            "thresholds": asdict(self.thresholds),
        }


def decide(evidence: Evidence, thresholds: PromotionThresholds) -> Decision:
    """Applies the rule.

    Deploy if the accuracy reaches the floor, beats always naming the most frequent regime (of the
    training or of the holdout, whichever is better) and, where production could be scored, beats it
    on the same rows by more than the improvement asked and so clearly as was asked. Where the
    holdout is too short to believe, where cross-validation contradicts it, or where the place of
    production is odd, that takes a person's yes, or is refused if nobody is to be asked.

    >>> equal = Evidence(812, 637, 250, Comparison(812, 600, 37, 37))
    >>> decision = decide(equal, PromotionThresholds())
    >>> decision.deploy, decision.reasons[0].split(" on ")[0]
    (False, "accuracy 78.4% is not better than production's 78.4%")
    """
    judged = [_judge_floor(evidence, thresholds), _judge_majority(evidence)]
    if evidence.comparison:
        judged += _judge_against_production(evidence.comparison, thresholds)
    against = tuple(reason for good, reason in judged if not good)
    doubts = (*evidence.doubts, *_thin(evidence, thresholds), *_contradicted(evidence, thresholds))
    notes = (*_notes(evidence, thresholds), *evidence.notes)
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
    compared: Comparison, thresholds: PromotionThresholds
) -> Iterator[tuple[bool, str]]:
    yield _judge_difference(compared, thresholds.min_improvement)
    if thresholds.max_p_value is not None:
        yield _judge_chance(compared, thresholds.max_p_value)
    if compared.costs:
        yield _judge_costs(*compared.costs)
    if compared.slices and thresholds.max_slice_loss is not None:
        yield from _judge_slices(compared.slices, thresholds.max_slice_loss)


def _judge_difference(compared: Comparison, min_improvement: float) -> tuple[bool, str]:
    candidate = Fraction(compared.candidate_correct, compared.rows)
    production = Fraction(compared.production_correct, compared.rows)
    asked = _exact(min_improvement)
    good = candidate > production + asked
    a, b = _percents(candidate, production)
    verb = "is better than" if good else "is not better than"
    if not good and candidate > production:
        verb = "is not better by enough than"
    same = f"on the same {compared.rows} rows (MIN_IMPROVEMENT {float(asked):.1%})"
    return good, f"accuracy {a} {verb} production's {b} {same}"


def _judge_chance(compared: Comparison, max_p_value: float) -> tuple[bool, str]:
    good = compared.p_value <= max_p_value
    verb = "is hardly" if good else "may be"
    rows = f"{compared.only_candidate_correct} rows against {compared.only_production_correct}"
    p = f"p = {compared.p_value:.2g}, MAX_P_VALUE {max_p_value:g}"
    return good, f"that it alone predicts {rows} correctly {verb} chance (McNemar: {p})"


def _judge_costs(candidate: float, production: float) -> tuple[bool, str]:
    good = candidate < production
    verb = "is below" if good else "is not below"
    return good, f"mean cost {candidate:.6g} {verb} production's {production:.6g} (DECISION_COSTS)"


def _judge_slices(slices: SliceLosses, most: float) -> Iterator[tuple[bool, str]]:
    asked = f"MAX_SLICE_LOSS {most:.1%}"
    beyond = [one for one in slices.losing if one.loss > most]
    if not beyond:
        looked = f"none of {slices.judged} regimes and symbols with enough rows"
        yield True, f"{looked} loses more than is allowed beyond chance ({asked})"
    for one in beyond:
        yield False, f"{one} ({asked})"


def _notes(evidence: Evidence, thresholds: PromotionThresholds) -> tuple[str, ...]:
    notes = []
    slices = evidence.comparison and evidence.comparison.slices
    if slices and thresholds.max_slice_loss is None:
        notes += [f"{one}; MAX_SLICE_LOSS is not set" for one in slices.losing]
    if evidence.production_problem:
        notes.append(
            f"PRODUCTION COULD NOT BE SCORED: {evidence.production_problem} "
            "The candidate was judged without it; look at the production file"
        )
    elif not evidence.comparison:
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


def _share(count: int, rows: int) -> float | None:
    return count / rows if rows else None
