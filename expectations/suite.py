"""The rules of the data gate, top to bottom.

Each rule says what it expects, why, and whether it blocks (critical) or is only reported (warning).
What blocks is what no market does or what makes a model worthless; what a market may do, though it
deserves a look, is a warning.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import great_expectations as gx
from great_expectations import expectations as gxe

from expectations.rules import sql as own
from expectations.rules.class_balance import ExpectClassBalance, counting
from expectations.rules.drift import rules_of_drift
from expectations.rules.labels import ExpectLabelsOverTime, labelled_days, rules_of_label_trouble
from expectations.rules.reference import Reference
from expectations.rules.sql import quote, words_of
from expectations.severity import LABEL_MORE, critical, warning
from expectations.thresholds import Thresholds

SUITE_NAME = "labelled_samples"
LABEL = "regime_label"
TYPES_RULE = "column types"
EMAS = ("ema_9", "ema_21", "ema_55", "ema_200")

_RATIO = "atr_pct / atr_14 * ema_9"
"""100 where atr_pct is in percent, 1 where it is a share; ema_9 stands for the price."""


@dataclass(frozen=True)
class Contract:
    """What a sample consists of.

    Attributes:
        types: ClickHouse type by column, features and others.
        features: the model's input columns.
        regimes: the known labels.
        positive: features that must be above zero.
        ranges: smallest and largest possible value of features.
    """

    types: Mapping[str, str]
    features: Sequence[str]
    regimes: Sequence[str]
    positive: Sequence[str]
    ranges: Mapping[str, tuple[float, float]]


def build_suite(
    contract: Contract,
    thresholds: Thresholds,
    reference: Reference | None = None,
    extent: tuple[int, ...] = (),
) -> gx.ExpectationSuite:
    """Lists the rules for a frozen table of labelled samples.

    Args:
        contract: what a sample consists of.
        thresholds: the bounds.
        reference: what production was trained on; None if there is no production model.
        extent: first and last day (since 1970) and number of symbols of the table that the labels
            were taken from; empty if they are not known.
    """
    rules = [
        *_rules_of_labels(contract.regimes, thresholds, extent),
        *_rules_of_rows(contract, thresholds),
        *_rules_of_features(contract),
        *rules_of_label_trouble(contract.features),
        *rules_of_drift(reference, contract.features, contract.regimes),
    ]
    return _numbered(rules)


def build_suite_of_types(contract: Contract, thresholds: Thresholds) -> gx.ExpectationSuite:
    """Lists the rules that hold or not whatever the values are, for columns of wrong types."""
    return _numbered([_enough_samples(thresholds), _known_types(contract)])


def build_suite_of_rows(contract: Contract, reference: Reference | None) -> gx.ExpectationSuite:
    """Lists the rules that block and ask for no labels: what no row of any market breaks."""
    rules = [
        *_rules_of_features(contract),
        *rules_of_drift(reference, contract.features, ()),
    ]
    # On one day two counts of a few events may be the same.
    left_out = own.ExpectColumnsToDiffer
    blocking = [rule for rule in rules if rule.severity == "critical"]
    return _numbered([rule for rule in blocking if not isinstance(rule, left_out)])


def _numbered(rules: Sequence[gxe.Expectation]) -> gx.ExpectationSuite:
    # Great Expectations returns the results in an order of its own.
    for number, rule in enumerate(rules):
        rule.meta = {**(rule.meta or {}), "number": number}
    return gx.ExpectationSuite(name=SUITE_NAME, expectations=list(rules))


def _enough_samples(t: Thresholds) -> gxe.Expectation:
    return gxe.ExpectTableRowCountToBeBetween(
        min_value=t.min_samples,
        **critical(
            "labelled samples",
            f"at least {t.min_samples}",
            "Fewer samples neither train nor judge a model.",
            LABEL_MORE,
        ),
    )


def _known_types(contract: Contract) -> gxe.Expectation:
    return own.ExpectColumnTypes(
        types=dict(contract.types),
        **critical(
            TYPES_RULE,
            "those of clickhouse/schema.sql, or what converts to them without loss",
            "A value of another type is read as another number, or not at all.",
            "Please give these columns the types of clickhouse/schema.sql, then clear check_data.",
        ),
    )


def _rules_of_labels(
    regimes: Sequence[str], t: Thresholds, extent: tuple[int, ...]
) -> Iterator[gxe.Expectation]:
    yield _enough_samples(t)
    known = ", ".join(quote(regime) for regime in regimes)
    yield own.ExpectAtLeast(
        aggregate=f"uniqExactIf({LABEL}, {LABEL} IN ({known}))",
        minimum=t.min_classes,
        **critical(
            "different regimes",
            f"at least {t.min_classes}",
            "A model can only tell regimes apart that it has seen.",
            LABEL_MORE,
        ),
    )
    yield ExpectClassBalance(
        query=counting(LABEL, regimes),
        classes=list(regimes),
        bounds=asdict(t),
        **critical(
            "class balance",
            f"each regime that occurs at least {t.min_samples_per_class} samples and "
            f"{t.min_class_share:.1%} (of at most 5,000 labels) to {t.max_class_share:.1%} of all",
            "A regime with a handful of samples is not learned; one that is nearly all hides that.",
            LABEL_MORE,
        ),
    )
    yield own.no_rows_where(
        f"{LABEL} NOT IN ({known})",
        [LABEL],
        **critical(
            "known labels",
            ", ".join(regimes),
            "The application knows only these regimes.",
            "Please correct these labels in regime_features, then clear check_data.",
        ),
    )
    yield ExpectLabelsOverTime(
        aggregate=labelled_days(LABEL, regimes),
        regimes=list(regimes),
        max_share=t.max_gap_share,
        extent=extent,
        **warning(
            "labels over time",
            f"no gap of more than {t.max_gap_share:.0%} of the window, and labels of many days, "
            "and of the table's own window and symbols",
            "Labels of one stretch name each other rightly and say nothing of other times; on both "
            "ends of a long gap they are two markets.",
        ),
    )


def _rules_of_rows(contract: Contract, t: Thresholds) -> Iterator[gxe.Expectation]:
    yield _known_types(contract)
    yield own.no_rows_where(
        r"NOT match(toString(symbol), '\\S')",
        **critical("symbols", "none empty", "A sample of no symbol belongs to no market."),
    )
    yield own.ExpectNoRowsFrom(
        # A bitmap of each symbol's timestamps is seven times faster than grouping all rows by both.
        query="SELECT symbol, timestamp, count() AS times, count() OVER () AS found "
        "FROM {table} WHERE symbol IN (SELECT symbol FROM {table} GROUP BY symbol "
        "HAVING count() > groupBitmap(toUInt32(timestamp))) "
        "GROUP BY symbol, timestamp HAVING times > 1 LIMIT 5",
        what="samples more than once",
        **critical(
            "each sample once",
            "one row for a symbol and time",
            "A repeated sample counts more than others and may carry two labels.",
            "Please leave one row of each symbol and second in regime_features, then clear "
            "check_data.",
        ),
    )
    yield own.no_rows_where(
        # What lies before 1970 was put at its beginning by the freeze.
        "timestamp > now() + INTERVAL 1 HOUR OR timestamp < toDate('1971-01-01')",
        **critical(
            "timestamps",
            "none in the future, and none in 1970, where a clock begins that was not set",
            "Training and holdout are cut by time: a wrong clock puts the wrong rows in both.",
            "Please correct these times in regime_features, then clear check_data.",
        ),
    )
    if t.max_label_age_days is not None:
        yield own.ExpectNewestToBeFresh(
            aggregate="dateDiff('minute', maxOrNull(timestamp), now()) / 1440",
            max_days=t.max_label_age_days,
            **critical(
                "age of the newest label",
                f"at most {t.max_label_age_days:g} days",
                "MAX_LABEL_AGE_DAYS asks for a model of today's market.",
                "Please label newer rows and retry.",
            ),
        )


def _rules_of_features(contract: Contract) -> Iterator[gxe.Expectation]:
    for feature in contract.features:
        yield own.no_rows_where(
            f"NOT {_finite(feature)}",
            [feature],
            **critical(
                f"finite {feature}", "no NULL, NaN or infinity", "The forest takes numbers only."
            ),
        )
    outside = "Outside of that it is another quantity or a broken calculation."
    for feature in contract.positive:
        yield own.no_rows_where(
            f"{_finite(feature)} AND {feature} <= 0",
            [feature],
            **critical(f"possible {feature}", "above 0", outside),
        )
    for feature, (low, high) in contract.ranges.items():
        words = f"{low:g} to {high:g}" if math.isfinite(high) else f"at least {low:g}"
        possible = f"{feature} BETWEEN {low:g} AND {high:g}"
        if contract.types.get(feature) == "UInt8":
            words = f"a whole number from {words}"
            possible += f" AND {feature} = floor({feature})"
        yield own.no_rows_where(
            f"{_finite(feature)} AND NOT ({possible})",
            [feature],
            **critical(f"possible {feature}", words, outside),
        )
    averages = ", ".join(EMAS)
    yield own.no_rows_where(
        f"least({averages}) > 0 AND greatest({averages}) > 10 * least({averages})",
        list(EMAS),
        **critical(
            "averages of one price",
            "the EMAs of a row within a factor of 10",
            "They average the same price: a mixed-up column or a changed unit shows here.",
        ),
    )
    yield own.no_rows_where(
        f"atr_14 > 0 AND ema_9 > 0 AND atr_pct > 0 AND NOT ({_RATIO} BETWEEN 20 AND 500) "
        f"AND NOT ({_RATIO} BETWEEN 0.2 AND 5)",
        ["atr_pct", "atr_14", "ema_9"],
        **critical(
            "atr_pct is of atr_14",
            "atr_14 over the price, in percent or as a share",
            "They say the same in two units: a changed unit of one shows here.",
        ),
    )
    yield own.ExpectNoneNamed(
        aggregate=f"if(countIf({_RATIO} BETWEEN 20 AND 500) > 0 "
        f"AND countIf({_RATIO} BETWEEN 0.2 AND 5) > 0, 'percent_and_share', '')",
        **critical(
            "unit of atr_pct",
            "percent in all rows, or a share in all",
            "A unit that changes between rows is two features in one column.",
        ),
    )
    yield own.ExpectColumnsToDiffer(
        columns=list(contract.features),
        aggregate=words_of(
            f"if(min({f}) = max({f}), 'constant', toString(sum(cityHash64(toFloat64({f})))))"
            for f in contract.features
        ),
        **critical(
            "features differ",
            "no feature equal to another",
            "Two equal columns are one quantity written into two places.",
        ),
    )
    yield own.ExpectNoneNamed(
        aggregate=words_of(f"if(min({f}) = max({f}), '{f}', '')" for f in contract.features),
        **warning(
            "features vary",
            "none is constant",
            "A constant feature says nothing; its source may have stopped.",
        ),
    )


def _finite(feature: str) -> str:
    # As float32, because the forest computes in float32: 1e39 is infinite there.
    return f"coalesce(isFinite(toFloat32({feature})), 0)"
