"""Scores agree with scikit-learn and stand absent regimes."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from ml.contract import REGIMES
from ml.evaluation.scores import evaluate, most_frequent


def test_scores_agree_with_sklearn():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 7, 500)
    named = np.where(rng.random(500) < 0.6, truth, rng.integers(0, 7, 500))
    scores = evaluate(truth, named)

    assert scores.accuracy == accuracy_score(truth, named)
    assert scores.balanced_accuracy == pytest.approx(balanced_accuracy_score(truth, named))
    assert np.trace(scores.confusion) == scores.correct
    assert np.sum(scores.confusion) == scores.rows == 500


def test_scores_of_a_regime_named_that_does_not_occur_warn_of_nothing():
    scores = evaluate(np.array([0, 0, 1]), np.array([0, 6, 1]))

    assert scores.balanced_accuracy == 0.75
    assert scores.confusion[0] == (1, 0, 0, 0, 0, 0, 1)
    assert [regime.support for regime in scores.regimes] == [2, 1, 0, 0, 0, 0, 0]
    assert tuple(regime.regime for regime in scores.regimes) == REGIMES


def test_most_frequent_is_the_regime_with_most_samples():
    assert most_frequent({"trend_up": 2, "range": 9, "volatile": 3}) == "range"
