"""What the model file promises the trading application: its features, their order, its regimes.

This is data only. The application asks for exactly these names in exactly this order, so a change
here is a change of the contract with it.
"""

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
