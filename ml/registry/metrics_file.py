"""What stands in `metrics.json` and in the metrics of production, field by field.

`ml.training.metrics` says what the fields are; here stands of which kind each is, so that a file
that somebody has edited, or a disk has, is known by that before anything is made of it.
"""

from typing import Annotated, Any, Final, NotRequired

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from ml.contract import REGIMES
from ml.json_files import read_object
from ml.words import moment

_PLAIN: Final = ConfigDict(strict=True, extra="allow")


def _time(text: str) -> str:
    if moment(text) is None:
        raise ValueError("no ISO 8601 time")
    return text


def _of_each_regime(counts: dict[str, int]) -> dict[str, int]:
    if not counts.keys() >= set(REGIMES):
        raise ValueError("no count of each regime")
    return counts


def _known(regime: str) -> str:
    if regime not in REGIMES:
        raise ValueError("no regime")
    return regime


Regime = Annotated[str, AfterValidator(_known)]
Time = Annotated[str, AfterValidator(_time)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Difference = Annotated[float, Field(ge=-1, le=1)]
Count = Annotated[int, Field(ge=0)]
Counts = Annotated[dict[str, Count], AfterValidator(_of_each_regime)]
Interval = Annotated[list[Share], Field(min_length=2, max_length=2)]
DifferenceInterval = Annotated[list[Difference], Field(min_length=2, max_length=2)]
_Row = Annotated[list[Count], Field(min_length=len(REGIMES), max_length=len(REGIMES))]
Confusion = Annotated[list[_Row], Field(min_length=len(REGIMES), max_length=len(REGIMES))]


class _Regime(TypedDict):
    regime: str
    precision: Share
    recall: Share
    support: Count


class _Symbol(TypedDict):
    symbol: str
    samples: Count
    accuracy: Share


class _Period(TypedDict):
    start: Time
    end: Time
    samples: Count
    accuracy: Share
    production_accuracy: NotRequired[Share | None]


class _Bin(TypedDict):
    samples: Count
    confidence: Share
    accuracy: Share


class _Kept(TypedDict):
    regime: Regime | None
    kept: Share
    confidence: Share
    samples: Count
    accuracy: Share
    interval: Interval | None


class _ByConfidence(TypedDict):
    floor: Share
    cut: Share | None
    rows: list[_Kept]
    regimes: list[_Kept]


class _Switching(TypedDict):
    true_switches: Number | None
    predicted_switches: Number | None
    true_flicker: Share | None
    predicted_flicker: Share | None
    changes: Count
    noticed: Count
    delay_hours: Number | None


class _Part(TypedDict):
    rows: Count
    accuracy: Share | None


class _Recall(TypedDict):
    regime: Regime
    rows: Count
    candidate: Share
    production: Share


class _Error(TypedDict):
    symbol: str
    timestamp: Time
    true: Regime
    predicted: Regime
    probability: Share


class _Group(TypedDict):
    group: str
    features: list[str]
    lost: Difference
    interval: DifferenceInterval | None
    dispensable: bool


_Span = Annotated[list[Number], Field(min_length=3, max_length=3)]


class _Strip(TypedDict):
    symbol: str
    true: list[_Span]
    predicted: list[_Span]


class _Drift(TypedDict):
    feature: str
    psi: Number


class _Pair(TypedDict):
    production: Regime
    candidate: Regime
    rows: Count


class _Apart(TypedDict):
    symbol: str
    differ: Share


class _Change(TypedDict):
    rows: Count
    days: Count
    differ: Share
    pairs: list[_Pair]
    symbols: list[_Apart]
    switches: dict[str, Number]
    words: list[str]


class _Law(TypedDict):
    asymptote: Share
    scale: Number
    exponent: Number


class _Curve(TypedDict):
    sizes: list[Number]
    accuracies: list[Share]
    intervals: list[Interval]
    fit: _Law | None
    labels: Count
    doubling: Difference | None
    helps: bool | None
    words: str


class _Suspects(TypedDict):
    samples: Count
    lift: Number | None
    listed: list[_Error]
    words: str


class _Comparison(TypedDict):
    rows: Count
    left_out_rows: Count
    both_correct: Count
    only_candidate_correct: Count
    only_production_correct: Count
    candidate_accuracy: Share
    production_accuracy: Share
    difference: Difference
    p_value: Share
    difference_interval: DifferenceInterval | None


class _Thresholds(TypedDict):
    min_accuracy: NotRequired[Share]


class _Decision(TypedDict):
    deploy: bool
    reasons: list[str]
    notes: NotRequired[list[str]]
    doubts: NotRequired[list[str]]
    thresholds: NotRequired[_Thresholds]
    accuracy: NotRequired[Share | None]
    production_accuracy: NotRequired[Share | None]
    holdout_samples: NotRequired[Count]
    comparison: NotRequired[_Comparison | None]


@with_config(_PLAIN)
class Metrics(TypedDict):
    """Every field the product reads; those that a trained candidate may lack are so marked."""

    run_id: str
    model_sha256: str
    data_fingerprint: str
    snapshot_table: str
    trained_at: Time
    deployed_at: NotRequired[Time | None]
    train_start: Time
    train_end: Time
    holdout_start: Time
    holdout_end: Time
    test_accuracy: Share
    train_accuracy: Share
    cv_accuracy: Share | None
    cv_std: Number | None
    cv_accuracies: list[Share]
    cv_interval: NotRequired[Interval | None]
    balanced_accuracy: Share
    macro_f1: Share
    log_loss: Number
    calibration_error: Share
    accuracy_interval: Interval | None
    majority_accuracy: Share
    majority_regime: Regime
    baselines: dict[str, Share | None]
    simpler_as_good: NotRequired[list[str]]
    production_accuracy: Share | None
    production_sha256: NotRequired[str | None]
    total_samples: Count
    train_samples: Count
    train_samples_available: NotRequired[Count]
    holdout_samples: Count
    embargoed_samples: Count
    train_days: NotRequired[Count]
    train_runs: NotRequired[Count]
    holdout_days: NotRequired[Count]
    holdout_runs: NotRequired[Count]
    class_counts: Counts
    train_class_counts: Counts
    holdout_class_counts: Counts
    regimes: list[_Regime]
    confusion_matrix: Confusion
    per_symbol: NotRequired[list[_Symbol]]
    accuracy_over_time: NotRequired[list[_Period]]
    accuracy_at_changes: NotRequired[_Part]
    accuracy_of_newest: NotRequired[_Part]
    change: NotRequired[_Change | None]
    recall_against_production: NotRequired[list[_Recall]]
    worst_errors: NotRequired[list[_Error]]
    strips: NotRequired[list[_Strip]]
    switching: NotRequired[_Switching]
    accuracy_by_confidence: NotRequired[_ByConfidence]
    calibration_bins: NotRequired[list[_Bin]]
    feature_importances: dict[str, Number]
    permutation_importances: dict[str, Number]
    feature_groups: NotRequired[list[_Group]]
    drift: NotRequired[list[_Drift]]
    learning_curve: NotRequired[_Curve]
    suspects: NotRequired[_Suspects]
    decision: NotRequired[_Decision | None]
    latency_ms: Number
    git_commit: NotRequired[str | None]
    forest_sha256: NotRequired[str]
    settings: dict[str, Any]
    versions: dict[str, str]
    platform: NotRequired[dict[str, str]]
    profile: NotRequired[dict[str, Any]]


_ADAPTER: Final = TypeAdapter(Metrics)


def read_metrics(content: bytes | None) -> dict[str, Any] | None:
    """Reads metrics for those who can do without a field: what cannot be meant is left out.

    Returns:
        The fields that are what their names say, and those that nobody here reads; None if it is
        no JSON object.

    >>> read_metrics(b'{"test_accuracy": "high", "run_id": "a", "mine": [1]}')
    {'run_id': 'a', 'mine': [1]}
    """
    found = read_object(content)
    return None if found is None else sound(found)


def sound(metrics: dict[str, Any]) -> dict[str, Any]:
    """The fields of metrics that are what their names say, and those that nobody here reads."""
    wrong = set(_wrong_fields(metrics, missing=False))
    return {name: value for name, value in metrics.items() if name not in wrong}


def problems(metrics: dict[str, Any]) -> tuple[str, ...]:
    """Names the fields of a trained candidate that are missing here, or something else."""
    return tuple(dict.fromkeys(_wrong_fields(metrics, missing=True)))


def _wrong_fields(metrics: dict[str, Any], *, missing: bool) -> list[str]:
    try:
        _ADAPTER.validate_python(metrics)
    except ValidationError as error:
        told = error.errors(include_url=False, include_context=False, include_input=False)
        return [
            str(wrong["loc"][0])
            for wrong in told
            if missing or wrong["type"] != "missing" or len(wrong["loc"]) > 1
        ]
    return []
