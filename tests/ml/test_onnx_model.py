"""Files that are broken in any way are reported, and sound ones answer."""

import json
import pickle

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from ml.contract import FEATURES
from ml.errors import ModelBroken
from ml.onnx_model import check_answers, check_contract, load_model, score
from ml.training.export import export_forest


def edited(model, edit):
    parsed = onnx.load_from_string(model)
    edit(parsed)
    return parsed.SerializeToString()


def rename(old, new):
    def edit(parsed):
        for node in parsed.graph.node:
            node.input[:] = [new if name == old else name for name in node.input]
            node.output[:] = [new if name == old else name for name in node.output]
        for value in (*parsed.graph.input, *parsed.graph.output):
            value.name = new if value.name == old else value.name

    return edit


def float_probabilities(parsed):
    cast = helper.make_node("Cast", ["double"], ["probabilities"], to=TensorProto.FLOAT)
    parsed.graph.node[-1].output[:] = ["double"]
    parsed.graph.node.append(cast)
    parsed.graph.output[1].type.tensor_type.elem_type = TensorProto.FLOAT


def nan_probabilities(parsed):
    log = helper.make_node("Log", ["negative"], ["probabilities"])
    negative = helper.make_node("Neg", ["double"], ["negative"])
    parsed.graph.node[-1].output[:] = ["double"]
    parsed.graph.node.extend([negative, log])


def one_row_only(parsed):
    parsed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def unknown_labels(parsed):
    add = helper.make_node("Add", ["class", "class"], ["output"])
    (ensemble,) = [node for node in parsed.graph.node if node.domain == "ai.onnx.ml"]
    ensemble.output[0] = "class"
    parsed.graph.node.append(add)


@pytest.mark.parametrize("content", [b"", b"garbage" * 50, b"\x00" * 10])
def test_garbage_is_reported_as_a_broken_model(content):
    with pytest.raises(ModelBroken, match="production is broken: onnxruntime cannot open"):
        load_model(content, "production")


def test_truncated_file_is_reported_as_a_broken_model(model):
    with pytest.raises(ModelBroken):
        check_answers(model[: len(model) // 2])


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (rename("input", "X"), r"inputs are \['X'\] instead of \['input'\]"),
        (rename("output", "label"), r"outputs are \['label', 'probabilities'\]"),
        (float_probabilities, r"probabilities is tensor\(float\) instead of tensor\(double\)"),
        (one_row_only, r"input has the shape \[1, 22\] instead of \['N', 22\]"),
    ],
)
def test_file_with_another_signature_names_what_differs(model, edit, words):
    session = load_model(edited(model, edit))

    with pytest.raises(ModelBroken, match=words) as caught:
        check_contract(session)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_file_whose_features_have_another_order_is_refused(forest):
    swapped = [FEATURES[1], FEATURES[0], *FEATURES[2:]]
    session = load_model(export_forest(forest, {"features": json.dumps(swapped)}))

    with pytest.raises(ModelBroken, match="metadata say the features are"):
        check_contract(session)


@pytest.mark.parametrize("edit", [nan_probabilities, unknown_labels])
def test_answers_that_are_no_regime_or_probability_are_refused(model, samples, edit):
    session = load_model(edited(model, edit))

    with pytest.raises(ModelBroken, match="no regime or no probability"):
        score(session, samples.features)


def test_rows_of_another_width_are_reported(model):
    with pytest.raises(ModelBroken, match="does not answer"):
        score(load_model(model), np.zeros((2, 21)))


def test_score_in_batches_equals_score_at_once(model, samples, monkeypatch):
    session = load_model(model)
    labels, probabilities = score(session, samples.features)
    monkeypatch.setattr("ml.onnx_model._ROWS_AT_ONCE", 7)
    again, again_probabilities = score(session, samples.features)

    np.testing.assert_array_equal(again, labels)
    np.testing.assert_array_equal(again_probabilities, probabilities)
    assert (labels.dtype, probabilities.dtype) == (np.int64, np.float64)


def test_score_of_no_rows_is_empty(model):
    labels, probabilities = score(load_model(model), np.zeros((0, 22)))

    assert (labels.shape, probabilities.shape) == ((0,), (0, 7))
