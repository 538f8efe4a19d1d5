"""The exported file keeps the contract, repeats byte for byte, and agrees with skl2onnx."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType
from skl2onnx.sklapi import CastTransformer
from sklearn.pipeline import make_pipeline

from ml.inputs import forest_inputs
from ml.onnx_model import check_contract, load_model, read_metadata, score
from ml.training.acceptance import accept_file, threshold_rows
from ml.training.export import export_forest, with_metadata
from ml.training.forest import fit_forest

EXPORT_IN_A_NEW_PROCESS = """
import hashlib, sys
import numpy as np
from ml.training.acceptance import accept_file
from ml.inputs import forest_inputs
from ml.training.export import export_forest
from ml.training.forest import TrainingOptions, fit_forest

rng = np.random.default_rng(0)
X, y = rng.normal(size=(200, 22)).astype(np.float32), rng.integers(0, 5, 200).astype(np.uint8)
forest = fit_forest(X, y, TrainingOptions(trees=8, n_jobs=int(sys.argv[1])))
metadata = {key: key for key in {"b", "a", "c", "versions", "metrics"}}
print(hashlib.sha256(export_forest(forest, metadata)).hexdigest())
"""


def digest(hash_seed, n_jobs):
    return subprocess.run(
        [sys.executable, "-c", EXPORT_IN_A_NEW_PROCESS, str(n_jobs)],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_file_has_exactly_the_names_types_and_versions_of_the_contract(model):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    parsed = onnx.load_from_string(model)

    assert [(i.name, i.type, i.shape) for i in session.get_inputs()] == [
        ("input", "tensor(double)", ["N", 22])
    ]
    assert [(o.name, o.type, o.shape) for o in session.get_outputs()] == [
        ("output", "tensor(int64)", ["N"]),
        ("probabilities", "tensor(double)", ["N", 7]),
    ]
    assert parsed.ir_version == 8
    assert [(o.domain, o.version) for o in parsed.opset_import] == [("", 17), ("ai.onnx.ml", 1)]
    check_contract(load_model(model))


def test_file_exported_again_has_the_same_bytes(forest, samples, options):
    again = fit_forest(samples.features, samples.labels, replace(options, n_jobs=2))
    one = export_forest(forest, {"a": "1", "b": "2"})

    assert export_forest(again, {"b": "2", "a": "1"}) == one


@pytest.mark.slow
def test_file_exported_with_another_hash_seed_and_more_threads_has_the_same_bytes():
    assert digest(hash_seed=1, n_jobs=1) == digest(hash_seed=2, n_jobs=2)


def test_metadata_written_later_give_the_same_bytes(forest):
    metadata = {"b": "2", "a": "1"}

    assert with_metadata(export_forest(forest), metadata) == export_forest(forest, metadata)


def test_metadata_come_back_from_the_file(forest):
    file = export_forest(forest, {"data_fingerprint": "abc", "versions": '{"x": 1}'})

    assert read_metadata(load_model(file)) == {"data_fingerprint": "abc", "versions": '{"x": 1}'}


def test_probabilities_of_each_row_sum_to_one(model, samples):
    _, probabilities = score(load_model(model), samples.features)

    assert np.abs(probabilities.sum(axis=1) - 1).max() < 1e-12


@pytest.mark.parametrize("regimes", [(0, 2, 3, 6), (2, 5), (0, 6)])
def test_absent_regimes_have_probability_exactly_zero(make_samples, options, regimes):
    few = make_samples(200, regimes=regimes)
    forest = fit_forest(few.features, few.labels, options)
    file = export_forest(forest)
    labels, probabilities = score(load_model(file), few.features)

    absent = [index for index in range(7) if index not in regimes]
    assert (probabilities[:, absent] == 0.0).all()
    assert set(labels) <= set(regimes)
    np.testing.assert_array_equal(labels, forest.predict(few.features))
    accept_file(file, forest, few.features)


def test_trees_that_are_a_single_leaf_are_exported(samples, options):
    forest = fit_forest(samples.features, samples.labels, replace(options, min_samples_leaf=400))
    file = export_forest(forest)

    assert {estimator.tree_.node_count for estimator in forest[-1].estimators_} == {1}
    accept_file(file, forest, samples.features)


def test_missing_values_take_the_direction_of_the_forest(forest, model, samples):
    rows = samples.features.copy()
    rows[np.random.default_rng(1).random(rows.shape) < 0.3] = np.nan
    labels, probabilities = score(load_model(model), rows)

    np.testing.assert_allclose(probabilities, forest.predict_proba(rows), atol=1e-6)
    np.testing.assert_array_equal(labels, forest.predict(rows))


# skl2onnx itself calls scikit-learn in a way that is going away.
@pytest.mark.filterwarnings("ignore:Pass dtype:FutureWarning")
def test_file_agrees_with_skl2onnx_also_on_the_thresholds(forest, model, samples):
    rows = np.concatenate([samples.features, threshold_rows(forest, samples.features)])
    inputs = forest_inputs(rows)
    pipeline = make_pipeline(CastTransformer(np.float32), forest[-1])
    reference = to_onnx(
        pipeline,
        initial_types=[("input", DoubleTensorType([None, inputs.shape[1]]))],
        target_opset={"": 17, "ai.onnx.ml": 3},
        options={"zipmap": False},
    )
    session = onnxruntime.InferenceSession(
        reference.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    expected_labels, expected = session.run(None, {"input": inputs.astype(np.float64)})
    labels, probabilities = score(load_model(model), rows)

    np.testing.assert_array_equal(labels, expected_labels)
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)
