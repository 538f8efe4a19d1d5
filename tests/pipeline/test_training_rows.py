"""Training on a part of a large snapshot: which rows stay, on every protocol."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine

from clickhouse.engine import open_engine
from clickhouse.reading import read_samples
from clickhouse.schema import apply_schema
from clickhouse.snapshot import Snapshot, freeze
from ml.contract import FEATURES, REGIMES
from ml.data.reading import plan_thinning, read_rows_since, read_training_rows
from ml.data.samples import Samples
from ml.data.split import split_at, split_by_time
from ml.errors import TooFewSamples
from sample_market.loading import insert

pytestmark = pytest.mark.slow

CUT = 0.2, timedelta(hours=24)


def _frozen(engine: Engine, market: Any) -> Snapshot:
    apply_schema(engine)
    insert(engine, market)
    return freeze(engine, "run", FEATURES)


@pytest.fixture
def snapshot(engine: Engine, market: Any) -> Snapshot:
    return _frozen(engine, market)


def _whole(engine: Engine, snapshot: Snapshot) -> Samples:
    return Samples(**read_samples(engine, snapshot, FEATURES, REGIMES))


def _keys(samples: Samples) -> list[tuple[Any, str]]:
    return list(zip(samples.timestamps, samples.symbols, strict=True))


def test_thinned_rows_are_a_share_of_each_regime_and_all_of_the_holdout(
    engine: Engine, snapshot: Snapshot
) -> None:
    whole = _whole(engine, snapshot)
    split = split_by_time(whole.timestamps, *CUT)
    part = read_training_rows(engine, snapshot, *CUT, most=500)
    assert part.population is not None
    cut = split_at(part.timestamps, part.population.cut, CUT[1])

    assert cut.train_samples == 500
    available = np.array(list(whole.rows(split.training).class_counts().values()))
    kept = np.array(list(part.rows(cut.training).class_counts().values()))
    np.testing.assert_allclose(kept, available * 500 / split.train_samples, atol=1)
    # Embargo and holdout are there row by row; of the older ones, none is made up.
    assert _keys(part)[cut.training.stop :] == _keys(whole)[split.training.stop :]
    assert set(_keys(part)) < set(_keys(whole))
    np.testing.assert_array_equal(
        part.rows(cut.holdout).features, whole.rows(split.holdout).features
    )
    # From the first weeks to the last ones.
    old, new = (
        np.mean(rows.timestamps[:100].astype(int))
        for rows in (whole.rows(split.training), part.rows(cut.training))
    )
    assert new - old < 0.2 * (whole.timestamps[-1] - whole.timestamps[0]).astype(int)


def test_thinned_rows_are_the_same_on_every_protocol(
    engine: Engine, server: Any, database: str, market: Any
) -> None:
    read = []
    for opened in (
        engine,
        open_engine(server.url("native", database=database)),
        open_engine(server.url("http", database=database)),
    ):
        snapshot = _frozen(opened, market)
        read.append(read_training_rows(opened, snapshot, *CUT, most=300))
        opened.dispose()
    first, *others = read
    for other in others:
        assert _keys(other) == _keys(first)
        np.testing.assert_array_equal(other.features, first.features)
        assert other.population == first.population


@pytest.mark.parametrize("most", [1_568, 2_000, 10**6])
def test_rows_within_the_bound_are_read_as_without_it(
    engine: Engine, snapshot: Snapshot, most: int
) -> None:
    part, whole = read_training_rows(engine, snapshot, *CUT, most=most), _whole(engine, snapshot)
    assert part.population is None
    np.testing.assert_array_equal(part.features, whole.features)
    assert _keys(part) == _keys(whole)


def test_rows_since_a_moment_are_the_newest(engine: Engine, snapshot: Snapshot) -> None:
    whole = _whole(engine, snapshot)
    moment = whole.timestamps[1500]
    newest = read_rows_since(engine, snapshot, moment)
    assert _keys(newest) == [key for key in _keys(whole) if key[0] >= moment]


def test_rare_regime_keeps_a_row() -> None:
    hours = np.arange(10_000).astype("datetime64[h]").astype("datetime64[s]")
    rows = np.zeros((10_000, 7), np.int64)
    rows[:, 0] = 1
    rows[5, :] = (0, 1, 0, 0, 0, 0, 0)
    plan = plan_thinning(hours, rows, *CUT, most=100)
    assert plan is not None
    assert plan[0].quotas == (99, 1, 0, 0, 0, 0, 0)
    assert plan[1].class_counts == dict(zip(REGIMES, (9999, 1, 0, 0, 0, 0, 0), strict=True))


@pytest.mark.parametrize("most", [7, 50, 1000])
def test_rare_regimes_do_not_break_the_bound(most: int) -> None:
    hours = np.arange(10_000).astype("datetime64[h]").astype("datetime64[s]")
    rows = np.zeros((10_000, 7), np.int64)
    rows[:, 0] = 1
    rows[5, 1:] = 1
    plan = plan_thinning(hours, rows, *CUT, most=most)
    assert plan is not None
    assert plan[0].quotas == (most - 6, 1, 1, 1, 1, 1, 1)


def test_split_that_leaves_nothing_to_train_on_is_said_as_without_thinning() -> None:
    hours = np.arange(100).astype("datetime64[h]").astype("datetime64[s]")
    rows = np.ones((100, 7), np.int64)
    with pytest.raises(TooFewSamples, match="lower EMBARGO_HOURS"):
        plan_thinning(hours, rows, 0.2, timedelta(hours=100), most=7)
