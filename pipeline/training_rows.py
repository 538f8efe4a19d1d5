"""Reads the rows to train on out of a frozen table, all of them or as many as help."""

from datetime import timedelta
from typing import TYPE_CHECKING

from clickhouse.reading import read_samples
from clickhouse.snapshot import Snapshot
from clickhouse.thinning import Thinning, count_by_time
from ml.contract import FEATURES, REGIMES
from ml.samples import Samples
from ml.thinning import plan_thinning

if TYPE_CHECKING:
    import numpy as np
    from sqlalchemy import Engine


def read_training_rows(
    engine: "Engine", snapshot: Snapshot, holdout_fraction: float, embargo: timedelta, most: int
) -> Samples:
    """Reads holdout and embargo whole, and at most so many of the older rows, in time order.

    Args:
        engine: an engine on the server that holds the snapshot.
        snapshot: what to read.
        holdout_fraction: newest share kept for the verdict.
        embargo: gap between training and holdout.
        most: training rows at most.
    """
    plan = None
    if snapshot.rows > most:
        counts = count_by_time(engine, snapshot, REGIMES)
        plan = plan_thinning(counts.timestamps, counts.rows, holdout_fraction, embargo, most)
    if plan is None:
        return Samples(**read_samples(engine, snapshot, FEATURES, REGIMES))
    thinning = Thinning(plan.before, plan.quotas)
    columns = read_samples(engine, snapshot, FEATURES, REGIMES, thinning=thinning)
    return Samples(**columns, population=plan.population)


def read_rows_since(engine: "Engine", snapshot: Snapshot, since: "np.datetime64") -> Samples:
    """Reads the rows from a moment on, such as the holdout."""
    return Samples(**read_samples(engine, snapshot, FEATURES, REGIMES, since=since))
