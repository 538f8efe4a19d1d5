"""Splits and folds never share a timestamp and keep the embargo."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.data.split import MIN_HOLDOUT_SAMPLES, require_two_regimes, split_by_time, time_folds
from ml.errors import ModelError, TooFewSamples

HOUR = np.timedelta64(3600, "s")
START = np.datetime64("2026-01-01T00:00:00", "s")


def hours(counts):
    """Timestamps of which hour k has counts[k] rows."""
    return START + np.repeat(np.arange(len(counts)), counts) * HOUR


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=200),
    st.floats(0.01, 0.99),
    st.integers(0, 60 * 48),
)
def test_split_never_shares_a_timestamp_and_keeps_the_gap(counts, fraction, minutes):
    timestamps = hours(counts)
    embargo = timedelta(minutes=minutes)
    try:
        split = split_by_time(timestamps, fraction, embargo)
    except TooFewSamples:
        return

    training, holdout = timestamps[split.training], timestamps[split.holdout]
    assert len(holdout) >= MIN_HOLDOUT_SAMPLES
    assert holdout[0] == split.cut
    assert holdout[-1] == timestamps[-1]
    assert training[-1] < split.cut - np.timedelta64(embargo)
    gap = timestamps[split.training.stop : split.holdout.start]
    assert ((gap >= split.cut - np.timedelta64(embargo)) & (gap < split.cut)).all()
    assert len(training) + len(gap) + len(holdout) == len(timestamps)


@given(
    st.lists(st.integers(1, 5), min_size=20, max_size=80),
    st.integers(1, 6),
    st.integers(0, 5),
)
def test_folds_train_only_on_the_past_of_what_they_score(counts, folds, gap):
    timestamps = hours(counts)
    found = time_folds(timestamps, folds, timedelta(hours=gap))

    assert len(found) <= folds
    for fold in found:
        assert timestamps[fold.training][-1] < timestamps[fold.holdout][0] - gap * HOUR
    scored = [row for fold in found for row in range(fold.holdout.start, fold.holdout.stop)]
    assert len(scored) == len(set(scored))


@pytest.mark.parametrize(
    ("counts", "holdout"),
    [
        ([10] * 100, 200),
        ([10] * 78 + [30] + [10] * 19, 190),
        ([10] * 79 + [30] + [10] * 18, 210),
        ([30, 40, 30], 30),
    ],
)
def test_split_with_ties_takes_the_share_nearest_to_a_fifth(counts, holdout):
    assert split_by_time(hours(counts), 0.2, timedelta(0)).holdout_samples == holdout


def test_split_without_embargo_drops_nothing():
    split = split_by_time(hours([2] * 100), 0.2, timedelta(0))

    assert (split.train_samples, split.embargoed_samples, split.holdout_samples) == (160, 0, 40)


def test_split_row_exactly_an_embargo_before_the_cut_is_not_trained_on():
    split = split_by_time(hours([1] * 100), 0.2, timedelta(hours=10))

    assert split.train_samples == 70
    assert split.embargoed_samples == 10


@pytest.mark.parametrize("count", [0, 1, 50])
def test_split_of_too_few_rows_names_numbers_and_remedy(count):
    with pytest.raises(TooFewSamples, match="raise HOLDOUT_FRACTION") as caught:
        split_by_time(hours([1] * count), 0.2, timedelta(0))

    assert caught.value.needed == MIN_HOLDOUT_SAMPLES
    assert caught.value.found == round(count * 0.2)


def test_split_with_an_embargo_longer_than_the_data_says_lower_it():
    with pytest.raises(TooFewSamples, match=r"lower EMBARGO_HOURS \(720\)"):
        split_by_time(hours([1] * 200), 0.2, timedelta(days=30))


def test_split_of_one_single_timestamp_has_nothing_to_train_on():
    with pytest.raises(TooFewSamples, match="training samples older"):
        split_by_time(hours([100]), 0.2, timedelta(0))


@pytest.mark.parametrize(("fraction", "hours_"), [(0, 1), (1, 1), (float("nan"), 1), (0.2, -1)])
def test_split_with_settings_out_of_range_is_refused(fraction, hours_):
    with pytest.raises(ModelError, match="HOLDOUT_FRACTION between 0 and 1"):
        split_by_time(hours([1] * 200), fraction, timedelta(hours=hours_))


def test_folds_of_little_data_leave_out_those_without_a_past():
    assert len(time_folds(hours([1] * 12), 5, timedelta(hours=5))) == 3


def test_one_regime_to_train_on_is_refused():
    with pytest.raises(TooFewSamples, match="different regimes among the 9 training samples: 1"):
        require_two_regimes(np.full(9, 3, np.uint8))
