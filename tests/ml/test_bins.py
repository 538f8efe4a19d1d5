"""A forest grown on bins says of raw rows what it says of their bins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.ensemble import RandomForestClassifier

from ml.training.forest import as_bins, bin_edges, split_at_edges

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("rows", [40, 3_000])
def test_forest_answers_raw_rows_as_their_bins(rows):
    rng = np.random.default_rng(rows)
    X = rng.standard_t(2, size=(rows, 6)).astype(np.float32)
    X[:, 1] = np.round(X[:, 1])
    X[:, 2] = 7
    y = (X[:, 0] + X[:, 1] > rng.normal(size=rows)).astype(int) + (X[:, 3] > 1)
    unseen = rng.standard_t(2, size=(5_000, 6)).astype(np.float32) * 2
    edges = bin_edges(X)
    forest = RandomForestClassifier(20, random_state=0).fit(as_bins(X, edges), y)
    of_bins = [forest.predict_proba(as_bins(given, edges)) for given in (X, unseen)]

    split_at_edges(forest, edges)

    for given_rows, expected in zip((X, unseen), of_bins, strict=True):
        np.testing.assert_array_equal(forest.predict_proba(given_rows), expected)


@given(arrays(np.float32, st.tuples(st.integers(1, 60), st.just(2)), elements=FLOATS))
def test_few_values_have_a_bin_each(inputs):
    bins = as_bins(inputs, bin_edges(inputs))

    for values, of_column in zip(inputs.T, bins.T, strict=True):
        assert len(np.unique(of_column)) == len(np.unique(values))
        np.testing.assert_array_equal(
            np.argsort(values, kind="stable"), np.argsort(of_column, kind="stable")
        )


def test_many_values_share_bins_of_like_size():
    values = np.random.default_rng(1).normal(size=(300_000, 1)).astype(np.float32)

    _, rows = np.unique(as_bins(values, bin_edges(values)), return_counts=True)

    assert len(rows) == 255
    assert rows.max() < 1.2 * len(values) / 255


def test_constant_column_has_no_edge():
    assert [len(edges) for edges in bin_edges(np.ones((50, 2), np.float32))] == [0, 0]
