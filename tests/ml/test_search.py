"""The search of settings judges its own choice on rows that it has not chosen by."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from ml.errors import TooFewSamples
from ml.training.search import search

EMBARGO = timedelta(hours=24)


@pytest.fixture
def small(options):
    return replace(options, cv_trees=3)


def test_search_finds_deeper_trees_where_shallow_ones_cannot_tell(make_samples, small):
    samples = make_samples(n=1500, signal=0.6)
    found = search(samples, replace(small, max_depth=1), EMBARGO)

    assert found.interval[0] > 0 and found.accuracy > found.default_accuracy
    assert "is worth a decision document" in str(found)
    assert found.accuracies[0] == (found.chosen, max(share for _, share in found.accuracies))


def test_search_on_noise_keeps_the_settings(make_samples, small):
    found = search(make_samples(n=900, signal=0.0), small, EMBARGO)

    assert "keep the settings" in str(found)
    assert len(found.to_dict()["accuracies"]) == 18


def test_search_without_a_past_of_two_regimes_is_refused(make_samples, small):
    samples = make_samples(n=200)
    samples = replace(samples, labels=np.zeros(200, np.uint8))
    with pytest.raises(TooFewSamples, match="folds with a past of two regimes"):
        search(samples, small, EMBARGO)
