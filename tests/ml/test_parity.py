"""The parity check passes sound files and fails wrong ones."""

import numpy as np
import onnx
import pytest

from ml.errors import ModelBroken
from ml.parity import _differences, check_parity, threshold_rows
from ml.training import fit_forest


def attribute(parsed, name):
    (ensemble,) = [node for node in parsed.graph.node if node.op_type.startswith("Tree")]
    return next(found for found in ensemble.attribute if found.name == name)


def test_parity_of_an_exported_forest_holds(forest, model, samples):
    check_parity(forest, model, samples.features)


def test_threshold_rows_lie_on_the_forests_thresholds(forest, samples):
    tree = forest.estimators_[0].tree_
    on, above, below = np.split(threshold_rows(forest, samples.features), 3)

    assert tree.threshold[0] in on[:, tree.feature[0]]
    assert (above > on).all()
    assert (below < on).all()


def test_parity_with_thresholds_rounded_up_fails(forest, model, samples):
    parsed = onnx.load_from_string(model)
    values = attribute(parsed, "nodes_values")
    values.floats[:] = np.nextafter(np.array(values.floats, np.float32), np.float32(np.inf))

    with pytest.raises(ModelBroken, match="probabilities differ by more than 1e-05 in"):
        check_parity(forest, parsed.SerializeToString(), samples.features)


def test_parity_with_exchanged_regimes_names_the_labels_too(forest, model, samples):
    parsed = onnx.load_from_string(model)
    classes = attribute(parsed, "class_ids")
    classes.ints[:] = [6 - index for index in classes.ints]

    with pytest.raises(ModelBroken, match="labels differ in"):
        check_parity(forest, parsed.SerializeToString(), samples.features)


def test_parity_with_the_file_of_another_forest_fails(make_samples, model, options):
    other = make_samples(300, regimes=(0, 1, 2), seed=5)
    forest = fit_forest(other.features, other.labels, options)

    with pytest.raises(ModelBroken, match="unseen regime"):
        check_parity(forest, model, other.features)


@pytest.mark.parametrize(("best", "wrong"), [(0.5, False), (0.500004, False), (0.51, True)])
def test_parity_lets_a_tie_go_either_way_and_nothing_else(best, wrong):
    expected = np.array([[best, 1 - best, 0, 0, 0, 0, 0]])

    found = _differences(expected, np.array([1]), expected)
    assert found == (("labels differ in 1 of 1 rows",) if wrong else ())
