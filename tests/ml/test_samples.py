"""Samples are refused unless they are what they say."""

from dataclasses import replace

import numpy as np
import pytest

from ml.contract import FEATURES, REGIMES
from ml.data.samples import Coverage, Samples
from ml.errors import ModelError


def test_class_counts_names_every_regime_also_absent_ones(make_samples):
    counts = make_samples(50, regimes=(0, 3)).class_counts()

    assert tuple(counts) == REGIMES
    assert sum(counts.values()) == 50
    assert counts["range"] == 0
    assert all(type(count) is int for count in counts.values())


def test_rows_of_a_slice_copies_nothing(samples):
    part = samples.rows(slice(10, 30))

    assert len(part) == 20
    assert np.shares_memory(part.features, samples.features)


def test_rows_of_a_mask_keeps_rows_together(samples):
    mask = samples.labels == 2
    part = samples.rows(mask)

    assert set(part.labels) == {2}
    np.testing.assert_array_equal(part.features, samples.features[mask])


def test_at_most_draws_the_same_rows_of_every_symbol_in_order(make_samples):
    many = make_samples(3_000)

    part = many.at_most(300)

    assert len(part) == 300
    assert set(part.symbols) == set(many.symbols)
    assert (np.diff(part.timestamps).astype(int) >= 0).all()
    np.testing.assert_array_equal(part.features, many.at_most(300).features)


def test_at_most_of_fewer_rows_keeps_all(samples):
    assert samples.at_most(len(samples)) is samples


@pytest.mark.parametrize(
    ("field", "change", "words"),
    [
        ("features", lambda a: a[:, :21], "features are float32"),
        ("features", lambda a: a.astype(np.float64), "float64"),
        ("labels", lambda a: a.astype(np.int64), "labels are int64"),
        ("labels", lambda a: np.where(np.arange(len(a)) == 5, 7, a).astype(np.uint8), "1 samples"),
        ("timestamps", lambda a: a[::-1], "not sorted"),
        ("timestamps", lambda a: np.full_like(a, "NaT"), "without a timestamp"),
        ("symbols", lambda a: a[::-1], "not sorted"),
        ("symbols", lambda a: a[1:], "symbols are object"),
        ("symbols", lambda a: np.full_like(a, "BTC"), "two samples of one timestamp"),
    ],
)
def test_samples_that_are_not_so_are_refused(samples, field, change, words):
    with pytest.raises(ModelError, match=words):
        replace(samples, **{field: change(getattr(samples, field))})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_with_a_value_that_is_not_finite_name_the_feature(samples, value):
    features = samples.features.copy()
    features[3, 4] = value
    features[5, 4] = -value

    with pytest.raises(ModelError, match="value of adx is a finite"):
        replace(samples, features=features)


def test_samples_with_the_largest_float32_are_taken(samples):
    features = np.full_like(samples.features, np.finfo(np.float32).max)

    assert len(replace(samples, features=features)) == len(samples)


def test_coverage_counts_days_and_runs_of_each_symbol_and_not_rows():
    """Two symbols, three days: A is 0 0 1 1 1 0, B is 2 all the time."""
    start, hours = np.datetime64("2026-11-01T00:00:00", "s"), np.arange(6) * 12
    timestamps = np.repeat(start + hours * np.timedelta64(3600, "s"), 2)
    labels = np.stack([[0, 0, 1, 1, 1, 0], [2] * 6], axis=1).ravel().astype(np.uint8)
    symbols = np.array(["A", "B"] * 6, object)
    features = np.ones((12, len(FEATURES)), np.float32)
    assert Samples(features, labels, timestamps, symbols).coverage() == Coverage(days=3, runs=4)
