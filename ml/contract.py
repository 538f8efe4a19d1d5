"""What the model file promises the trading application: its features, their order, its regimes.

This is data only. The application asks for exactly these names in exactly this order, so a change
here is a change of the contract with it.
"""

import math
from collections.abc import Mapping
from typing import Final

FEATURES: Final[tuple[str, ...]] = (
    "atr_14",
    "atr_pct",
    "bb_width",
    "historical_vol",
    "adx",
    "ema_9",
    "ema_21",
    "ema_55",
    "ema_200",
    "higher_highs_count",
    "lower_lows_count",
    "volume_24h",
    "volume_change_pct",
    "volume_price_divergence",
    "support_breaks",
    "resistance_breaks",
    "consolidation_periods",
    "btc_dominance",
    "correlation_tightness",
    "funding_rate",
    "funding_rate_ma",
    "liquidations_24h",
)
"""Model inputs in the order of the columns of the ONNX input."""

COUNTS: Final[tuple[str, ...]] = (
    "higher_highs_count",
    "lower_lows_count",
    "support_breaks",
    "resistance_breaks",
    "consolidation_periods",
)
"""The features that count hours of a window: UInt8 in the table, all others are Float64."""

COLUMN_TYPES: Final[Mapping[str, str]] = {
    "symbol": "String",
    "timestamp": "DateTime",
    **{name: "UInt8" if name in COUNTS else "Float64" for name in FEATURES},
    "regime_label": "String",
}
"""The columns of a labelled sample and their ClickHouse types."""


POSITIVE: Final[tuple[str, ...]] = ("atr_14", "atr_pct", "ema_9", "ema_21", "ema_55", "ema_200")
"""The features that are averages of positive numbers, and so above zero."""

RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "bb_width": (0, math.inf),
    "historical_vol": (0, math.inf),
    "adx": (0, 100),
    # No window is longer than that of the slowest average: 200 hours.
    **dict.fromkeys(COUNTS, (0, 200)),
    "volume_24h": (0, math.inf),
    # In percent: a volume cannot fall by more than all of it.
    "volume_change_pct": (-100, math.inf),
    "btc_dominance": (0, 100),
    "correlation_tightness": (-1, 1),
    # No exchange charges as much as the whole position for one period.
    "funding_rate": (-1, 1),
    "funding_rate_ma": (-1, 1),
    "liquidations_24h": (0, math.inf),
}
"""Smallest and largest value a feature can have by its definition, whatever the market does.

A feature that is neither here nor in `POSITIVE` may be any finite number.
"""

PRICED: Final[tuple[str, ...]] = (
    *("atr_14", "ema_9", "ema_21", "ema_55", "ema_200"),
    *("volume_24h", "liquidations_24h"),
)
"""The features whose size depends on the symbol: they are in its price or its volume."""

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "volatility": ("atr_14", "atr_pct", "bb_width", "historical_vol"),
    "trend": (
        *("adx", "ema_9", "ema_21", "ema_55", "ema_200"),
        *("higher_highs_count", "lower_lows_count"),
    ),
    "volume": ("volume_24h", "volume_change_pct", "volume_price_divergence"),
    "levels": ("support_breaks", "resistance_breaks", "consolidation_periods"),
    "market": ("btc_dominance", "correlation_tightness"),
    "derivatives": ("funding_rate", "funding_rate_ma", "liquidations_24h"),
}
"""Features that say one kind of thing; one that is in none is a group of its own."""

REGIMES: Final[tuple[str, ...]] = (
    "trend_up",
    "trend_down",
    "range",
    "breakout",
    "volatile",
    "accumulation",
    "distribution",
)
"""Regimes in the order of the model's class indices 0 to 6."""

INPUT_NAME: Final = "input"
LABEL_OUTPUT: Final = "output"
PROBABILITY_OUTPUT: Final = "probabilities"
