"""Errors survive the way between processes and say what to do."""

import pickle

import pytest

from ml.errors import ModelBroken, ModelError, TooFewSamples


@pytest.mark.parametrize(
    "error",
    [
        ModelError("It is wrong", "mend it"),
        TooFewSamples("holdout's samples", 3, 20, "label more"),
        ModelBroken("candidate", ("a", "b"), "train again"),
    ],
)
def test_error_pickled_keeps_message_and_facts(error):
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_too_few_samples_message_names_numbers_and_remedy():
    text = str(TooFewSamples("holdout's samples", 3, 20, "label more"))

    assert text == "The holdout's samples: 3, and at least 20 are needed. What to do: label more."
