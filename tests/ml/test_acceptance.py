"""A fresh process accepts sound files and refuses wrong ones, naming what differs."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ml.errors import ModelBroken
from ml.inputs import forest_inputs
from ml.training.acceptance import (
    accept_file,
    differences,
    examine,
    forest_probabilities,
    probe_rows,
    threshold_rows,
)
from ml.training.forest import fit_forest

pytestmark = pytest.mark.slow


def attribute(parsed, name):
    (ensemble,) = [node for node in parsed.graph.node if node.op_type.startswith("Tree")]
    return next(found for found in ensemble.attribute if found.name == name)


def rounded_up(model):
    """The file with each threshold rounded up to the next float32."""
    parsed = onnx.load_from_string(model)
    values = attribute(parsed, "nodes_values")
    values.floats[:] = np.nextafter(np.array(values.floats, np.float32), np.float32(np.inf))
    return parsed.SerializeToString()


@pytest.fixture
def parsed(model):
    return onnx.load_from_string(model)


@pytest.fixture
def refused(forest, samples):
    """Asks for a file and returns what is said against it."""

    def problems(content):
        with pytest.raises(ModelBroken) as caught:
            accept_file(content, forest, samples.features)
        return "; ".join(caught.value.problems)

    return problems


def test_file_of_the_forest_is_accepted_and_timed(forest, model, samples):
    latency = accept_file(model, forest, samples.features)

    assert 0 < latency < 1000


def test_thresholds_rounded_up_are_refused(model, refused):
    assert "probabilities differ by more than 1e-05 in" in refused(rounded_up(model))


def test_exchanged_regimes_are_refused(parsed, refused):
    classes = attribute(parsed, "class_ids")
    classes.ints[:] = [6 - index for index in classes.ints]

    assert "labels differ in" in refused(parsed.SerializeToString())


def test_ratio_of_other_features_is_refused(parsed, refused):
    (over,) = [value for value in parsed.graph.initializer if value.name == "over"]
    over.CopyFrom(numpy_helper.from_array(np.roll(numpy_helper.to_array(over), 1), "over"))

    assert "probabilities differ" in refused(parsed.SerializeToString())


def test_file_of_another_forest_is_refused(make_samples, model, options):
    other = make_samples(300, regimes=(0, 1, 2), seed=5)
    forest = fit_forest(other.features, other.labels, options)

    with pytest.raises(ModelBroken, match="unseen regime"):
        accept_file(model, forest, other.features)


def test_probabilities_that_are_no_shares_are_refused(parsed, refused):
    *_, divided = (node for node in parsed.graph.node if node.op_type == "Div")
    divided.op_type = "Mul"

    assert "probabilities do not sum to 1" in refused(parsed.SerializeToString())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"probabilities", b"probabilitiez", "probabilitiez"),
        (b"input", b"inpud", "inpud"),
        (b"\x08\x08", b"\x08\x7f", "cannot open"),
    ],
)
def test_file_that_breaks_the_contract_is_refused(model, refused, old, new, said):
    assert said in refused(model.replace(old, new))


def test_truncated_file_is_refused(model, refused):
    assert "cannot open its" in refused(model[: len(model) // 2])


def test_file_that_answers_one_row_with_another_shape_is_refused(parsed, refused):
    """The declared shape may be right where the answer's is not: onnxruntime only warns."""
    ensemble = next(node for node in parsed.graph.node if node.op_type.startswith("Tree"))
    ensemble.output[0] = "flat"
    parsed.graph.initializer.append(helper.make_tensor("two", TensorProto.INT64, [1], [2]))
    parsed.graph.node.append(helper.make_node("Tile", ["flat", "two"], ["output"]))

    assert "asked for" in refused(parsed.SerializeToString())


def test_process_that_dies_is_told(monkeypatch, forest, model, samples):
    monkeypatch.setattr("ml.training.acceptance.sys.executable", "/bin/false")

    with pytest.raises(ModelBroken, match="ends with code 1: it says nothing"):
        accept_file(model, forest, samples.features)


def test_examination_is_json_and_has_no_latency_where_it_failed(model, forest, samples):
    rows = probe_rows(forest, samples.features)
    wrong = np.roll(forest_probabilities(forest, rows), 1, axis=1)
    found = examine(model, rows, wrong)

    assert found["latency_ms"] is None
    assert json.loads(json.dumps(found))["problems"][0].endswith(f"of {len(rows)} rows")


def test_process_killed_while_the_file_is_examined_leaves_no_file(tmp_path, model, samples):
    program = (
        "import os, signal\n"
        "from tests.ml.killed_changes import small_forest\n"
        "from ml.training.export import export_forest\n"
        "import ml.training.acceptance as acceptance\n"
        "acceptance.subprocess.run = lambda *a, **b: os.kill(os.getpid(), signal.SIGKILL)\n"
        "forest, X = small_forest(0)\n"
        "acceptance.accept_file(export_forest(forest), forest, X)\n"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": "."}
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    # onnxruntime's own, of a few bytes and always the same name.
    assert {path.name for path in tmp_path.iterdir()} <= {".ses"}


def test_probe_rows_hold_every_given_row_and_the_extremes(forest, samples):
    rows = probe_rows(forest, samples.features)

    np.testing.assert_array_equal(rows[: len(samples)], samples.features)
    assert np.abs(rows).max() == 3.4e38
    assert np.abs(rows[rows != 0]).min() == 5e-324


def test_threshold_rows_lie_on_the_forests_thresholds(forest, samples):
    on, above, below = np.split(threshold_rows(forest, samples.features), 3)
    inputs = forest_inputs(on)

    for estimator in forest[-1].estimators_:
        for column in set(estimator.tree_.feature) - {-2}:
            thresholds = estimator.tree_.threshold[estimator.tree_.feature == column]
            assert np.isin(thresholds.astype(np.float32), inputs[:, column]).any(), column
    assert (above > on).all()
    assert (below < on).all()


@pytest.mark.parametrize(("best", "wrong"), [(0.5, False), (0.500004, False), (0.51, True)])
def test_difference_of_a_tie_may_go_either_way_and_nothing_else(best, wrong):
    expected = np.array([[best, 1 - best, 0, 0, 0, 0, 0]])

    found = differences(expected, np.array([1]), expected)
    assert found == (["labels differ in 1 of 1 rows"] if wrong else [])
