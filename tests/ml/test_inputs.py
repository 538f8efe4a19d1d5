"""The forest is given what does not depend on the level of prices and volumes."""

import numpy as np
import pytest

from ml.contract import FEATURES, PRICED
from ml.inputs import INPUTS, RATIOS, forest_inputs
from ml.onnx_model import load_model, score
from ml.training.export import export_forest
from ml.training.forest import TrainingOptions, fit_forest


def rows(count=2_000, seed=0):
    """Rows as large and as small as markets make them, all positive."""
    rng = np.random.default_rng(seed)
    return np.exp(rng.normal(scale=6, size=(count, len(FEATURES))))


def test_inputs_have_a_name_each_and_no_level():
    assert forest_inputs(rows()).shape == (2_000, len(INPUTS)) == (2_000, 21)
    assert not set(INPUTS) & set(PRICED)
    assert {name for pair in RATIOS for name in pair} == set(PRICED)


@pytest.mark.parametrize("factor", [0.5, 2.0, 1024.0])
def test_inputs_do_not_move_with_the_level_of_prices_or_volumes(factor):
    given = rows()
    moved = given.copy()
    prices = [FEATURES.index(name) for name in PRICED if name.startswith(("ema", "atr"))]
    moved[:, prices] *= factor
    np.testing.assert_array_equal(forest_inputs(moved), forest_inputs(given))

    volumes = [FEATURES.index(name) for name in PRICED if "24h" in name]
    moved[:, volumes] *= factor
    np.testing.assert_array_equal(forest_inputs(moved), forest_inputs(given))


def test_inputs_of_any_finite_row_are_finite():
    extreme = np.array([0, -1, 5e-324, 1e-45, 1e-30, 1e30, 3.4e38, -3.4e38])
    grid = np.array(np.meshgrid(extreme, extreme)).reshape(2, -1)
    given = np.tile(grid[0][:, None], len(FEATURES))
    for k, (_, under) in enumerate(RATIOS):
        given[:, FEATURES.index(under)] = np.roll(grid[1], k)

    assert np.isfinite(forest_inputs(given)).all()


def test_model_answers_alike_at_any_level_of_prices(make_samples, options):
    samples = make_samples(400)
    session = load_model(export_forest(fit_forest(samples.features, samples.labels, options)))
    moved = np.abs(samples.features).astype(np.float64)
    known = score(session, moved)
    moved[:, [FEATURES.index(name) for name in PRICED]] *= 4

    np.testing.assert_array_equal(score(session, moved)[0], known[0])
    np.testing.assert_array_equal(score(session, moved)[1], known[1])


def test_file_computes_the_inputs_bit_by_bit():
    """A forest deep enough to tell inputs apart that differ in their last bit."""
    given = rows(4_000, seed=1).astype(np.float32)
    labels = (np.argsort(np.argsort(forest_inputs(given)[:, -1])) % 7).astype(np.uint8)
    deep = TrainingOptions(trees=3, max_depth=None, min_samples_leaf=1, n_jobs=1)
    forest = fit_forest(given, labels, deep)
    named, probabilities = score(load_model(export_forest(forest)), given)

    np.testing.assert_array_equal(named, forest.predict(given))
    np.testing.assert_allclose(probabilities, forest.predict_proba(given), atol=1e-6)
