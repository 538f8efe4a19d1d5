"""Replays of a small market as it is, or with something in it changed."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from clickhouse.engine import open_engine
from clickhouse.schema import apply_schema
from ml.contract import FEATURES
from ml.data.samples import Samples
from ml.replay.plan import Plan
from ml.replay.run import replay
from ml.training.forest import TrainingOptions
from sample_market.loading import insert


def of_labels(labels: NDArray[np.integer[Any]], first: str, seconds: int) -> Samples:
    """Rows of one symbol with these labels and a step of time between them."""
    n = len(labels)
    return Samples(
        np.broadcast_to(np.float32(0), (n, len(FEATURES))),
        labels.astype(np.uint8),
        np.datetime64(first, "s") + np.arange(n) * np.timedelta64(seconds, "s"),
        np.full(n, "BTC", dtype=object),
    )


SMALL = TrainingOptions(trees=8, max_depth=6, cv_folds=2, cv_trees=2, n_jobs=1)


def replayed(folder: Path, market: pd.DataFrame, out: str = "out", **plan: Any) -> dict[str, Any]:
    """Replays a market that lies in a ClickHouse of its own below the folder."""
    engine = open_engine(f"clickhouse+chdb:///default?path={folder / 'clickhouse'}")
    try:
        apply_schema(engine)
        insert(engine, market)
        with pytest.MonkeyPatch.context() as patched:
            # Processes take seconds to start; the command line and the DAG are tried with them.
            patched.setattr("ml.replay.fitting._SIDE_BY_SIDE", 0)
            return replay(engine, Plan(**{"weeks": 4, "options": SMALL, **plan}), folder / out)
    finally:
        engine.dispose()


def changed(
    market: pd.DataFrame, since: pd.Timestamp, change: Callable[[pd.DataFrame], pd.DataFrame]
) -> pd.DataFrame:
    """The market with its rows from a moment on changed."""
    later = market["timestamp"] >= since
    return pd.concat([market[~later], change(market[later].copy())], ignore_index=True)


def moments(found: dict[str, Any]) -> list[pd.Timestamp]:
    """The Sundays of a replay, as the market has its times."""
    return [pd.Timestamp(line["sunday"]).tz_localize(None) for line in found["sundays"]]


HOUR = timedelta(hours=1)
