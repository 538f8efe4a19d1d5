"""Forests are repeatable, and cross-validation goes forward in time."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from ml.training.cross_validation import cross_validate_in_time
from ml.training.forest import fit_forest


def trees(forest):
    return [
        (estimator.tree_.threshold.tobytes(), estimator.tree_.value.tobytes())
        for estimator in forest[-1].estimators_
    ]


def test_forest_fitted_with_other_threads_and_memory_order_is_identical(samples, options, forest):
    columns_first = np.asfortranarray(samples.features)
    again = fit_forest(columns_first, samples.labels, replace(options, n_jobs=2))

    assert trees(again) == trees(forest)


def test_forest_of_another_seed_is_another(samples, options, forest):
    other = fit_forest(samples.features, samples.labels, replace(options, seed=1))

    assert trees(other) != trees(forest)


@pytest.mark.parametrize(("cap", "drawn"), [(100, 100), (600, None), (100_000, None)])
def test_rows_of_a_tree_are_capped_only_when_there_are_more(samples, options, cap, drawn):
    options = replace(options, trees=1, max_train_samples_per_tree=cap)

    assert fit_forest(samples.features, samples.labels, options)[-1].max_samples == drawn


def test_forest_without_some_regimes_keeps_canonical_indices(make_samples, options):
    few = make_samples(200, regimes=(2, 5))

    assert fit_forest(few.features, few.labels, options).classes_.tolist() == [2, 5]


def test_cross_validation_finds_the_signal_and_is_repeatable(samples, options):
    found = cross_validate_in_time(samples, options, timedelta(hours=6))

    assert len(found.accuracies) == 3
    assert found.mean > 0.6
    assert found.std < 0.2
    assert found == cross_validate_in_time(samples, replace(options, n_jobs=2), timedelta(hours=6))


def test_cross_validation_of_a_part_of_the_rows_is_near_that_of_all(make_samples, options):
    many = make_samples(6_000)
    of_all, of_part = (
        cross_validate_in_time(many, replace(options, cv_rows=rows), timedelta(hours=6))
        for rows in (100_000, 500)
    )

    assert of_part != of_all
    assert of_part.mean == pytest.approx(of_all.mean, abs=0.05)


def test_cross_validation_of_noise_finds_nothing(make_samples, options):
    noise = make_samples(600, signal=0.0)

    assert cross_validate_in_time(noise, options, timedelta(hours=6)).mean < 0.3


def test_cross_validation_skips_folds_whose_past_has_one_regime(samples, options):
    labels = samples.labels.copy()
    labels[:250] = 3
    one_regime_first = replace(samples, labels=labels)

    assert len(cross_validate_in_time(one_regime_first, options, timedelta(0)).accuracies) == 2


def test_cross_validation_without_a_fold_has_no_mean(samples, options):
    found = cross_validate_in_time(samples, options, timedelta(days=365))

    assert (found.accuracies, found.mean, found.std) == ((), None, None)
