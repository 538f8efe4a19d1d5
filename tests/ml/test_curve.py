"""The learning curve says what more labels would do; the list of wrong labels knows its worth."""

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from ml.data.split import split_at, split_by_time
from ml.training import candidate
from ml.training.cross_validation import cross_validate_in_time
from ml.training.curve import LearningCurve, fit_power_law, learning_curve
from ml.training.forest import TrainingOptions
from ml.training.suspects import find_suspects, lift_of_planted, out_of_fold, self_confidence

EMBARGO = timedelta(hours=24)
SMALL = TrainingOptions(trees=10, cv_trees=10, n_jobs=1)
SIZES = np.array([100.0, 200, 400, 800])


def curve_of(samples, accuracy=0.5, floor=0.65):
    split = split_by_time(samples.timestamps, 0.2, EMBARGO)
    cv = cross_validate_in_time(samples.rows(split.training), SMALL, EMBARGO)
    return learning_curve(samples, split, cv, SMALL, accuracy, floor)


def spread(samples, hours=6):
    """The samples, so many hours from one to the next."""
    gone = samples.timestamps - samples.timestamps[0]
    return replace(samples, timestamps=samples.timestamps[0] + gone * hours)


def test_fit_of_an_exact_power_law_is_that_law():
    accuracies = 0.8 - 0.1 * (SIZES / 800) ** -0.5
    law = fit_power_law(accuracies[None], SIZES)

    assert (law.asymptote[0], law.scale[0], law.exponent[0]) == pytest.approx((0.8, 0.1, 0.5))
    assert law.at(2)[0] == pytest.approx(0.8 - 0.1 / 2**0.5)
    assert law.reaching(0.75)[0] == pytest.approx(4)
    assert law.reaching(0.81)[0] == np.inf


def test_fit_never_falls_and_never_ends_above_one():
    falling = fit_power_law(np.array([[0.7, 0.68, 0.66, 0.64]]), SIZES)
    steep = fit_power_law(np.array([[0.2, 0.5, 0.8, 0.99]]), SIZES)

    assert falling.scale[0] == 0 and falling.reaching(0.9)[0] == np.inf
    assert steep.asymptote[0] <= 1


def test_curve_of_labels_that_help_says_so(make_samples):
    told = curve_of(spread(make_samples(500, signal=0.55)))

    assert told.helps is True
    assert told.accuracies[-1] > told.accuracies[0] + 0.1
    assert told.sizes[-1] / told.sizes[0] == pytest.approx(8, rel=0.15)
    assert (
        "doubling the labels would gain about" in told.words or "more labels to reach" in told.words
    )


def test_curve_of_noise_says_that_features_do_not_tell(make_samples):
    told = curve_of(spread(make_samples(4_000, signal=0.0)))

    assert told.helps is False and told.more is None
    assert told.words.endswith("the features do not tell these regimes apart")


def test_curve_of_a_model_that_reaches_the_floor_does_not_blame_features(make_samples):
    told = curve_of(spread(make_samples(4_000, signal=6.0)), accuracy=0.99)

    assert told.helps is False
    assert told.words.endswith("they are not what limits this model")


def test_curve_of_one_stretch_is_too_few_however_many_rows_it_has(make_samples):
    assert curve_of(make_samples(400)).words.startswith("too few labels to say")


def test_words_of_more_labels_have_the_interval_and_two_digits():
    told = LearningCurve(
        doubling=0.04,
        doubling_interval=[0.02, 0.06],
        floor=0.65,
        more=913,
        more_interval=[512, 2444],
    )

    assert told.words == (
        "about 910 more labels to reach 65.0%, an extrapolation (95%: 510 to 2,400)"
    )


def test_curve_is_the_same_each_time(make_samples):
    samples = spread(make_samples(500))

    assert curve_of(samples) == curve_of(samples)


@pytest.mark.parametrize("regimes", [(0, 1), (3,)])
@pytest.mark.parametrize("rows", [30, 130])
def test_few_rows_or_regimes_give_words_and_no_crash(make_samples, rows, regimes):
    samples = spread(make_samples(rows, regimes=regimes))
    split = split_at(samples.timestamps, samples.timestamps[-20], timedelta(0))
    cv = cross_validate_in_time(samples.rows(split.training), SMALL, EMBARGO)

    assert learning_curve(samples, split, cv, SMALL, 0.5, 0.65).words
    assert find_suspects(samples, SMALL, EMBARGO).words


def test_constant_features_give_words_and_no_list(make_samples):
    samples = spread(make_samples(600))
    flat = replace(samples, features=np.ones_like(samples.features))

    assert curve_of(flat).helps is not True
    assert find_suspects(flat, SMALL, EMBARGO).listed == ()


def test_wrong_labels_stand_at_the_top_of_the_list(make_samples):
    samples = spread(make_samples(600, signal=1.5))
    wrong = np.arange(7, 600, 60)
    labels = samples.labels.copy()
    labels[wrong] = (labels[wrong] + 3) % 7
    told = find_suspects(replace(samples, labels=labels), SMALL, EMBARGO)
    listed = {(row["symbol"], row["timestamp"][:19]) for row in told.listed}
    planted = {(samples.symbols[k], str(samples.timestamps[k])) for k in wrong}

    assert told.lift > 10
    assert len(listed) <= 20 and len(listed & planted) >= 8


def test_list_on_noise_is_silent_and_says_why(make_samples):
    told = find_suspects(spread(make_samples(600, signal=0.0)), SMALL, EMBARGO)

    assert told.lift < 3 and told.listed == ()
    assert told.words.startswith("no list of labels that look wrong")


def test_forest_judges_no_regime_that_it_has_not_seen(make_samples):
    samples = spread(make_samples(300, regimes=(0, 1)))
    labels = samples.labels.copy()
    labels[-20:] = 6
    only_newest = replace(samples, labels=labels)
    told = out_of_fold(only_newest, SMALL, EMBARGO)

    assert np.isnan(told[-20:, 6]).all()
    assert (self_confidence(labels, told)[-20:] == 1).all()
    assert json.dumps(find_suspects(only_newest, SMALL, EMBARGO).to_dict(), allow_nan=False)


def test_forest_of_a_block_has_not_seen_its_neighbours(make_samples):
    """The one feature is the day itself: whoever has seen a neighbour knows the label."""
    samples = make_samples(960, signal=0.0)
    days = np.arange(960) // 48
    features = np.repeat(days[:, None], 22, axis=1).astype(np.float32)
    labels = np.random.default_rng(0).permutation(np.arange(20) % 7)[days].astype(np.uint8)
    told = out_of_fold(replace(samples, features=features, labels=labels), SMALL, EMBARGO)

    assert (np.nan_to_num(told).argmax(axis=1) == labels).mean() < 0.4


def test_lift_of_a_list_that_knows_all_is_the_highest_there_is():
    labels = np.tile(np.arange(4, dtype=np.uint8), 100)

    assert lift_of_planted(labels, np.eye(7)[labels]) == pytest.approx(20)


def test_training_survives_a_curve_that_fails(samples, build, monkeypatch, caplog):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(candidate, "learning_curve", broken)
    metrics = build(samples).metrics

    assert "learning_curve" not in metrics and metrics["suspects"]["words"]
    assert "The learning curve is left out" in caplog.text
