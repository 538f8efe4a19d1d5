-- The source table of the pipeline. The trading application owns and fills it; the pipeline only reads it.
-- An empty regime_label means "not labelled yet". A row written twice counts once (the newest stays).
CREATE TABLE IF NOT EXISTS regime_features
(
    symbol LowCardinality(String),
    timestamp DateTime,

    atr_14 Float64,
    atr_pct Float64,
    bb_width Float64,
    historical_vol Float64,

    adx Float64,
    ema_9 Float64,
    ema_21 Float64,
    ema_55 Float64,
    ema_200 Float64,
    higher_highs_count UInt8,
    lower_lows_count UInt8,

    volume_24h Float64,
    volume_change_pct Float64,
    volume_price_divergence Float64,

    support_breaks UInt8,
    resistance_breaks UInt8,
    consolidation_periods UInt8,

    btc_dominance Float64,
    correlation_tightness Float64,

    funding_rate Float64,
    funding_rate_ma Float64,
    liquidations_24h Float64,

    ema_alignment String,
    regime_label LowCardinality(String) DEFAULT ''
)
ENGINE = ReplacingMergeTree
ORDER BY (symbol, timestamp)
TTL timestamp + INTERVAL 1 YEAR;
