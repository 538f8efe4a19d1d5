"""The market is hard enough to be honest and easy enough to be learned."""

from datetime import UTC, datetime

import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from ml.contract import FEATURES
from sample_market import MarketSpec, simulate

NAMES = list(FEATURES)


def out_of_time(seed):
    """Splits as the pipeline does: the newest fifth is held out, 24 hours before it dropped."""
    frame = simulate(MarketSpec(seed=seed, end=datetime(2026, 11, 22, 2, tzinfo=UTC)))
    labelled = frame[frame["regime_label"] != ""].sort_values("timestamp", kind="stable")
    cut = labelled["timestamp"].iloc[int(0.8 * len(labelled))]
    older = labelled[labelled["timestamp"] < cut - pd.Timedelta(hours=24)]
    return older, labelled[labelled["timestamp"] >= cut]


@pytest.mark.parametrize("seed", [2, 7])
def test_forest_out_of_time_is_good_but_not_perfect(seed):
    older, newest = out_of_time(seed)
    forest = RandomForestClassifier(60, max_depth=12, min_samples_leaf=5, random_state=0)
    forest.fit(older[NAMES], older["regime_label"])
    assert 0.70 < forest.score(newest[NAMES], newest["regime_label"]) < 0.90
    assert (newest["regime_label"] == older["regime_label"].mode()[0]).mean() < 0.35


def test_single_feature_does_not_tell_the_regimes_apart():
    older, newest = out_of_time(7)
    for name in NAMES:
        tree = DecisionTreeClassifier(max_depth=6, min_samples_leaf=20, random_state=0)
        tree.fit(older[[name]], older["regime_label"])
        assert tree.score(newest[[name]], newest["regime_label"]) < 0.60, name
