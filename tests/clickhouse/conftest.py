"""The source table with rows that are not merged yet, on each way to ClickHouse."""

import pytest
from sqlalchemy import Engine, text

from ml.contract import FEATURES

COUNTS = {
    "higher_highs_count",
    "lower_lows_count",
    "support_breaks",
    "resistance_breaks",
    "consolidation_periods",
}


@pytest.fixture
def labelled(any_engine: Engine) -> Engine:
    """300 rows, 200 of them labelled, each written twice and not yet merged."""
    values = ", ".join(
        f"toUInt8((number + {i}) % 5)" if feature in COUNTS else f"number / 7 + {i}"
        for i, feature in enumerate(FEATURES)
    )
    insert = (
        f"INSERT INTO regime_features (symbol, timestamp, {', '.join(FEATURES)}, ema_alignment, "
        "regime_label) SELECT if(number % 2, 'BTC''s \\\\', 'ETH'), "
        f"toStartOfHour(now()) - toIntervalHour(number), {values}, 'up', "
        "['trend_up', 'range', ''][number % 3 + 1] FROM numbers(300)"
    )
    with any_engine.connect() as connection:
        connection.execute(text("SYSTEM STOP MERGES regime_features"))
        connection.execute(text(insert))
        connection.execute(text(insert))
    return any_engine
