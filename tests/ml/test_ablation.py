"""What a group of features is worth, in the forest's own folds in time."""

from dataclasses import replace
from datetime import timedelta

import numpy as np

from ml.contract import FEATURES, GROUPS
from ml.training.ablation import lose_groups

EMBARGO = timedelta(hours=24)


def test_group_that_alone_tells_regimes_apart_is_worth_all_of_it(make_samples, options):
    samples = make_samples(n=1200, regimes=(0, 1), signal=0.0)
    for name in GROUPS["derivatives"]:
        samples.features[:, FEATURES.index(name)] = samples.labels
    options = replace(options, cv_trees=20)
    found = {row["group"]: row for row in lose_groups(samples, options, EMBARGO)}

    assert found["derivatives"]["lost"] > 0.3 and not found["derivatives"]["dispensable"]
    assert found["market"]["interval"][1] < 0.01 and found["market"]["dispensable"]


def test_groups_hold_each_feature_once():
    named = [name for names in GROUPS.values() for name in names]
    assert sorted(named) == sorted(FEATURES)


def test_feature_of_no_group_is_a_group_of_its_own(make_samples, options, monkeypatch):
    monkeypatch.setattr("ml.training.ablation.GROUPS", {"market": GROUPS["market"]})
    found = lose_groups(make_samples(n=300), options, EMBARGO)

    assert len(found) == 1 + len(FEATURES) - len(GROUPS["market"])


def test_samples_of_one_moment_have_no_fold_and_no_groups(make_samples, options):
    samples = make_samples(n=60)
    at_once = replace(
        samples,
        timestamps=np.full(60, samples.timestamps[0]),
        symbols=np.array([f"S{k:03}" for k in range(60)], object),
    )
    assert lose_groups(at_once, options, EMBARGO) == []


def test_interval_holds_what_forests_of_other_seeds_say(make_samples, options):
    samples = make_samples(n=900, signal=0.3)
    runs = [lose_groups(samples, replace(options, seed=seed), EMBARGO) for seed in (0, 10, 20)]
    for of_group in zip(*runs, strict=True):
        lost = np.mean([row["lost"] for row in of_group])
        assert all(row["interval"][0] <= lost <= row["interval"][1] for row in of_group)
