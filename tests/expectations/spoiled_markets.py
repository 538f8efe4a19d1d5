"""Ways to spoil the good market, and the rules that catch them."""

from dataclasses import dataclass, field

from ml.contract import FEATURES
from tests.expectations.frozen_market import HALF, ONE, SOME, rows


@dataclass(frozen=True)
class Spoiled:
    """A way to spoil the good market.

    Attributes:
        name: what was done.
        select: SQL of the spoiled rows.
        caught_by: critical rules that do not hold, all of them; the first is the one meant for it.
        warned_by: warnings that do not hold, the ones meant for it.
        bounds: thresholds other than the defaults.
    """

    name: str
    select: str
    caught_by: tuple[str, ...] = ()
    warned_by: tuple[str, ...] = ()
    bounds: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Uncaught:
    """A way to spoil the good market that no rule of a first run can catch.

    Attributes:
        name: what was done.
        select: SQL of the spoiled rows.
        because: why not, and what does catch it.
    """

    name: str
    select: str
    because: str


LABEL = "regime_label"
BTC = "symbol = 'BTCUSDT'"
_OLDEST = "(SELECT min(timestamp) FROM good)"
_NEWEST = "(SELECT max(timestamp) FROM good)"


def label(where: str, to: str) -> str:
    """Good rows, some of which have another label."""
    return rows(regime_label=f"if({where}, {to}, regime_label)")


def value(feature: str, to: str, where: str = ONE) -> str:
    """Good rows, some of which (one at least) have another value of a feature."""
    return rows(**{feature: f"if({where}, {to}, {feature})"})


def few(regime: str, keep: int) -> str:
    """Good rows, of which one regime keeps only some."""
    kept = f"SELECT (symbol, timestamp) FROM good WHERE regime_label = '{regime}' LIMIT {keep}"
    return rows(f"regime_label != '{regime}' OR (symbol, timestamp) IN ({kept})")


def exchanged(column: str, one: str, other: str) -> str:
    """SQL of a text column in which two values stand for each other."""
    text = f"toString({column})"
    return f"transform({text}, ['{one}', '{other}'], ['{other}', '{one}'], {text})"


def shifted_columns() -> str:
    """Good rows, each feature's value one column further right."""
    moved = zip(FEATURES, (FEATURES[-1], *FEATURES[:-1]), strict=True)
    return rows(**{name: f"CAST({before} AS {_type(name)})" for name, before in moved})


def _type(feature: str) -> str:
    whole = ("_count", "_breaks", "_periods")
    return "UInt8" if feature.endswith(whole) else "Float64"


def shuffled(column: str) -> str:
    """Good rows, one column of which comes in another order."""
    numbered = "row_number() OVER (ORDER BY {}) AS place"
    others = f"SELECT * EXCEPT {column}, {numbered.format('symbol, timestamp')} FROM good"
    moved = f"SELECT {column}, {numbered.format('cityHash64(symbol, timestamp)')} FROM good"
    columns = ", ".join(("symbol", "timestamp", *FEATURES, LABEL))
    return f"SELECT {columns} FROM ({others}) AS o JOIN ({moved}) AS m USING (place)"


LABELS = [
    Spoiled(
        "too_few_rows",
        rows() + " ORDER BY cityHash64(symbol, timestamp) LIMIT 299",
        ("labelled samples",),
    ),
    Spoiled("no_rows", rows("false"), ("labelled samples", "different regimes")),
    Spoiled("one_regime", label("true", "'range'"), ("different regimes", "class balance")),
    Spoiled(
        "two_regimes",
        label("true", f"if({HALF}, 'range', 'volatile')"),
        ("different regimes",),
    ),
    Spoiled("regime_with_9_samples", few("breakout", 9), ("class balance",)),
    Spoiled("regime_below_one_percent", few("breakout", 10), ("class balance",)),
    Spoiled(
        "dominating_regime",
        label("cityHash64(symbol, timestamp) % 10 < 7", "'range'"),
        ("class balance",),
    ),
    Spoiled("unknown_label", label(SOME, "'sideways'"), ("known labels",)),
    Spoiled("unknown_label_once", label(ONE, "'sideways'"), ("known labels",)),
    Spoiled("label_in_other_case", label(SOME, "'Range'"), ("known labels",)),
    Spoiled("label_with_a_blank", label(SOME, "'range '"), ("known labels",)),
    Spoiled("label_of_blanks", label(SOME, "'  '"), ("known labels",)),
    Spoiled(
        "label_as_number",
        label("true", "'2'"),
        ("known labels", "different regimes"),
    ),
    Spoiled(
        "labels_all_empty",
        label("true", "''"),
        ("known labels", "different regimes"),
    ),
    Spoiled(
        "half_a_year_without_labels",
        rows(timestamp=f"if({HALF}, timestamp - INTERVAL 180 DAY, timestamp)"),
        warned_by=("labels over time",),
    ),
    Spoiled(
        "alike_rows_of_other_labels",
        f"{rows()} UNION ALL "
        + rows(
            SOME,
            timestamp="timestamp - INTERVAL 400 DAY",
            regime_label="if(regime_label = 'range', 'volatile', 'range')",
        ),
        warned_by=("labels agree",),
    ),
    Spoiled(
        "nearly_alike_rows_of_other_labels",
        f"{rows()} UNION ALL "
        + rows(
            SOME,
            symbol="concat(symbol, '2')",
            regime_label="if(regime_label = 'range', 'volatile', 'range')",
            **{f: f"{f} * 1.00000001" for f in ("adx", "bb_width", "volume_24h")},
        ),
        warned_by=("labels agree",),
    ),
    Spoiled(
        "symbol_of_one_regime",
        label(BTC, "'range'"),
        warned_by=("labels of each symbol", "labels change"),
    ),
    Spoiled(
        "block_of_one_label",
        label(f"{BTC} AND timestamp > {_NEWEST} - INTERVAL 20 DAY", "'range'"),
        warned_by=("labels change",),
    ),
]

ROWS = [
    Spoiled("empty_symbol", rows(symbol=f"if({ONE}, '', symbol)"), ("symbols",)),
    Spoiled("blank_symbol", rows(symbol=f"if({ONE}, '  ', symbol)"), ("symbols",)),
    Spoiled("symbol_of_a_tab", rows(symbol=f"if({ONE}, '\\t', symbol)"), ("symbols",)),
    Spoiled(
        "future_timestamp",
        rows(timestamp=f"if({ONE}, timestamp + INTERVAL 3 DAY, timestamp)"),
        ("timestamps",),
    ),
    Spoiled(
        "timestamp_of_1970",
        rows(timestamp=f"if({SOME}, toDateTime(intDiv(toUInt32(timestamp), 1000)), timestamp)"),
        ("timestamps",),
        ("labels over time",),
    ),
    Spoiled(
        "timestamps_all_of_1970",
        rows(timestamp="toDateTime(intDiv(toUInt32(timestamp), 1000))"),
        ("timestamps",),
    ),
    Spoiled(
        "milliseconds_as_seconds",
        rows(
            timestamp=f"if({SOME}, toDateTime(toUInt32(timestamp) * 1000 % 4294967296), timestamp)"
        ),
        ("timestamps",),
    ),
    Spoiled(
        "old_labels",
        rows(timestamp="timestamp - INTERVAL 40 DAY"),
        ("age of the newest label",),
        bounds={"max_label_age_days": 30.0},
    ),
    Spoiled(
        "sample_twice_with_two_labels",
        f"{rows()} UNION ALL {rows(ONE, regime_label=chr(39) + 'volatile' + chr(39))}",
        ("each sample once",),
    ),
    Spoiled("block_of_rows_twice", f"{rows()} UNION ALL {rows(BTC)}", ("each sample once",)),
    Spoiled("every_row_twice", f"{rows()} UNION ALL {rows()}", ("each sample once",)),
]

TYPES = [
    Spoiled("null_in_a_feature", rows(adx=f"if({ONE}, NULL, adx)"), ("column types", "finite adx")),
    Spoiled("nullable_feature", rows(adx="toNullable(adx)"), ("column types",)),
    Spoiled("nullable_label", rows(regime_label="toNullable(regime_label)"), ("column types",)),
    Spoiled("float32_feature", rows(adx="toFloat32(adx)"), ("column types",)),
    Spoiled("decimal_feature", rows(adx="toDecimal64(adx, 4)"), ("column types",)),
    Spoiled("whole_number_feature", rows(adx="toInt32(adx)"), ("column types",)),
    Spoiled("wider_count", rows(support_breaks="toUInt16(support_breaks)"), ("column types",)),
    Spoiled("signed_count", rows(support_breaks="toInt8(support_breaks)"), ("column types",)),
    Spoiled(
        "date_timestamp", rows(timestamp="toDate(timestamp)"), ("column types", "each sample once")
    ),
    Spoiled("fine_timestamp", rows(timestamp="toDateTime64(timestamp, 3)"), ("column types",)),
]

VALUES = [
    *(
        Spoiled(f"{what}_in_{feature}", value(feature, sql), (f"finite {feature}",))
        for what, sql in (
            ("nan", "nan"),
            ("infinity", "inf"),
            ("minus_infinity", "-inf"),
            ("beyond_float32", "1e39"),
        )
        for feature in ("adx",)
    ),
    *(
        Spoiled(f"nan_everywhere_in_{feature}", rows(**{feature: "nan"}), (f"finite {feature}",))
        for feature in ("volume_price_divergence",)
    ),
    *(
        Spoiled(
            f"{feature}_of_{to}".replace("-", "minus_").replace(".", "_"),
            value(feature, to),
            (f"possible {feature}",),
        )
        for feature, to in (
            ("atr_14", "-1"),
            ("atr_14", "0"),
            ("atr_pct", "-1"),
            ("bb_width", "-1"),
            ("historical_vol", "-1"),
            ("volume_24h", "-1"),
            ("liquidations_24h", "-1"),
            ("adx", "101"),
            ("adx", "-1"),
            ("btc_dominance", "-1"),
            ("btc_dominance", "101"),
            ("correlation_tightness", "1.01"),
            ("volume_change_pct", "-150"),
            ("ema_55", "0"),
            ("ema_55", "-1"),
            ("funding_rate", "1.5"),
            ("higher_highs_count", "255"),
            ("consolidation_periods", "255"),
        )
    ),
    Spoiled(
        "sentinel_minus_999",
        rows(**{f: f"if({SOME}, -999, {f})" for f in ("adx", "bb_width", "correlation_tightness")}),
        ("possible adx", "possible bb_width", "possible correlation_tightness"),
    ),
    Spoiled(
        "sentinel_9999",
        rows(**{f: f"if({SOME}, 9999, {f})" for f in ("adx", "btc_dominance", "funding_rate")}),
        ("possible adx", "possible btc_dominance", "possible funding_rate"),
    ),
    Spoiled(
        "percent_as_share_of_percent",
        rows(btc_dominance="btc_dominance * 100"),
        ("possible btc_dominance",),
    ),
    Spoiled("ema_times_100", rows(ema_55="ema_55 * 100"), ("averages of one price",)),
    Spoiled(
        "ema_times_100_in_one_row", value("ema_55", "ema_55 * 100"), ("averages of one price",)
    ),
    Spoiled(
        "ema_and_volume_swapped",
        rows(ema_21="volume_24h", volume_24h="ema_21"),
        ("averages of one price",),
    ),
    Spoiled(
        "ema_of_another_symbol",
        value("ema_200", "100000", "symbol = 'XRPUSDT'"),
        ("averages of one price",),
    ),
    Spoiled(
        "atr_pct_and_adx_swapped", rows(atr_pct="adx", adx="atr_pct"), ("atr_pct is of atr_14",)
    ),
    Spoiled(
        "atr_pct_as_share_in_some_rows",
        value("atr_pct", "atr_pct / 100", SOME),
        ("unit of atr_pct",),
    ),
    Spoiled("atr_in_cents", rows(atr_14="atr_14 * 10000"), ("atr_pct is of atr_14",)),
    Spoiled(
        "feature_copied_into_another", rows(funding_rate_ma="funding_rate"), ("features differ",)
    ),
    Spoiled(
        "count_copied_into_another", rows(support_breaks="resistance_breaks"), ("features differ",)
    ),
    Spoiled("constant_feature", rows(btc_dominance="toFloat64(50)"), warned_by=("features vary",)),
    Spoiled(
        "constant_zero_feature", rows(liquidations_24h="toFloat64(0)"), warned_by=("features vary",)
    ),
    Spoiled(
        "all_features_constant",
        rows(**{f: f"CAST(1 AS {_type(f)})" for f in FEATURES}),
        warned_by=("features vary", "labels agree"),
    ),
    Spoiled(
        "columns_shifted_by_one",
        shifted_columns(),
        (
            "averages of one price",
            "possible adx",
            "possible higher_highs_count",
            "possible correlation_tightness",
            "atr_pct is of atr_14",
            "possible liquidations_24h",
        ),
    ),
    Spoiled("emas_shuffled_among_rows", shuffled("ema_200"), ("averages of one price",)),
]

SPOILED = (*LABELS, *ROWS, *TYPES, *VALUES)

UNREADABLE = (
    Spoiled("text_feature", rows(adx="toString(adx)"), ("column types",)),
    Spoiled(
        "text_feature_that_is_no_number",
        rows(adx=f"if({ONE}, 'n/a', toString(adx))"),
        ("column types",),
    ),
    Spoiled("text_timestamp", rows(timestamp="toString(timestamp)"), ("column types",)),
)
"""Columns of a type that cannot be computed with: nothing else can be judged."""

_MODEL = (
    "Each row is possible. A model trained on it is no better than naming one regime: promotion."
)
_PRODUCTION = "Each row is possible. Only a comparison with production's training data shows it."

UNCAUGHT = (
    Uncaught("labels_shuffled", shuffled(LABEL), _MODEL),
    Uncaught(
        "labels_two_days_late",
        rows(
            regime_label="lagInFrame(toString(regime_label), 16, toString(regime_label)) "
            "OVER (PARTITION BY symbol ORDER BY timestamp)"
        ),
        _MODEL,
    ),
    Uncaught(
        "two_regimes_exchanged",
        label(
            "true",
            exchanged("regime_label", "range", "volatile"),
        ),
        "Labels are names; who labels volatile days as range does so in the holdout too.",
    ),
    Uncaught("feature_shuffled_among_rows", shuffled("volume_price_divergence"), _MODEL),
    Uncaught(
        "feature_of_noise",
        rows(correlation_tightness="cityHash64(symbol, timestamp) / 18446744073709551615"),
        _PRODUCTION,
    ),
    Uncaught(
        "like_features_swapped",
        rows(funding_rate="funding_rate_ma", funding_rate_ma="funding_rate"),
        _PRODUCTION,
    ),
    Uncaught(
        "counts_swapped",
        rows(support_breaks="resistance_breaks", resistance_breaks="support_breaks"),
        _PRODUCTION,
    ),
    Uncaught("funding_rate_in_percent", rows(funding_rate="funding_rate * 100"), _PRODUCTION),
    Uncaught("volume_in_thousands", rows(volume_24h="volume_24h / 1000"), _PRODUCTION),
    Uncaught("sentinel_0_in_some_rows", value("adx", "0", SOME), "Zero is a possible ADX."),
    Uncaught("sentinel_9999_where_there_is_no_bound", value("bb_width", "9999", SOME), _PRODUCTION),
    Uncaught(
        "sentinel_minus_999_where_there_is_no_bound",
        value("volume_price_divergence", "-999", SOME),
        _PRODUCTION,
    ),
    Uncaught(
        "count_above_255_wrapped",
        value(
            "higher_highs_count",
            "toUInt8((higher_highs_count + 255) % 256)",
            "higher_highs_count > 0 AND " + SOME,
        ),
        "ClickHouse stores 260 in a UInt8 as 4, which is possible.",
    ),
    Uncaught(
        "features_of_the_next_hour",
        rows(timestamp="timestamp - INTERVAL 1 HOUR"),
        "Looking ahead shows only against the prices themselves, which the table does not hold.",
    ),
    Uncaught(
        "names_of_symbols_exchanged",
        rows(symbol=exchanged("symbol", "BTCUSDT", "XRPUSDT")),
        "A symbol's name is no input of the model.",
    ),
    Uncaught(
        "one_regime_never_labelled",
        few("breakout", 0),
        "MIN_CLASSES allows it; the class table of the report shows it.",
    ),
)
"""Also listed because the list must stay true: a rule that catches one of them moves it up."""
