"""Samples made by ClickHouse itself: millions of good rows in seconds, none sent over the wire."""

from ml.contract import COUNTS, FEATURES, REGIMES

SYMBOLS = 50
_DAYS = 300


def insert_samples(table: str, rows: int, symbols: int = SYMBOLS, days: int = _DAYS) -> str:
    """SQL that fills a table with labelled samples which the data gate lets pass.

    Args:
        table: an empty table like `regime_features`.
        rows: how many samples.
        symbols: of how many symbols.
        days: over how many days before today.
    """
    step = max(1, days * 86_400 * symbols // rows)
    columns = {
        "symbol": f"concat('S', toString(number % {symbols}))",
        "timestamp": "toDateTime(toUnixTimestamp(toStartOfDay(now())) "
        f"- {days * 86_400} + intDiv(number, {symbols}) * {step})",
        **_features(),
        "regime_label": f"[{', '.join(repr(r) for r in REGIMES)}]"
        f"[1 + (intDiv(number, {SYMBOLS * 24}) + number % {SYMBOLS}) % {len(REGIMES)}]",
    }
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(columns.values())} "
        f"FROM numbers({rows})"
    )


def _features() -> dict[str, str]:
    """An expression for each feature, in the order of the contract."""
    price = f"exp(3 + (number % {SYMBOLS}) / 10)"
    spreads = {
        "bb_width": (1, 6),
        "historical_vol": (20, 100),
        "adx": (0, 100),
        "volume_24h": (1e8, 1e9),
        "volume_change_pct": (-50, 100),
        "volume_price_divergence": (-1, 1),
        "btc_dominance": (45, 55),
        "correlation_tightness": (-1, 1),
        "funding_rate": (-5e-4, 5e-4),
        "funding_rate_ma": (-5e-4, 5e-4),
        "liquidations_24h": (1e4, 1e6),
    }
    found = {
        name: f"{low} + {high - low} * {_random(name)}" for name, (low, high) in spreads.items()
    }
    found |= {name: f"toUInt8(12 * {_random(name)})" for name in COUNTS}
    for span in (9, 21, 55, 200):
        found[f"ema_{span}"] = f"{price} * (1 + 0.0005 * {span} * {_random(f'ema_{span}')})"
    found["atr_14"] = f"{price} * (0.005 + 0.01 * {_random('atr')})"
    found["atr_pct"] = f"100 * ({found['atr_14']}) / ({found['ema_9']})"
    return {name: found[name] for name in FEATURES}


def _random(seed: str) -> str:
    return f"(cityHash64(number, '{seed}') / 18446744073709551616.)"
