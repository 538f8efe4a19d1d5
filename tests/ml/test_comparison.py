"""Both models are scored on the same rows, and rows production has seen leave."""

import numpy as np
import pytest

from ml.comparison import compare_with_production
from ml.onnx_export import export_forest
from ml.onnx_model import load_model, score
from ml.samples import utc
from ml.training import fit_forest


@pytest.fixture(scope="module")
def holdout(make_samples):
    return make_samples(200, seed=7)


@pytest.fixture(scope="module")
def other_forest(make_samples, options):
    few = make_samples(300, regimes=(0, 1, 2, 3), seed=3)
    return fit_forest(few.features, few.labels, options)


@pytest.fixture
def compare(holdout, model):
    def against(production):
        return compare_with_production(holdout, load_model(model), production, "range")

    return against


def window(samples, first, last):
    moments = (utc(samples.timestamps[row]).isoformat() for row in (first, last))
    return dict(zip(("train_start", "train_end"), moments, strict=True))


def test_without_production_only_the_candidate_is_counted(compare, holdout, model):
    evidence = compare(None)
    named, _ = score(load_model(model), holdout.features)

    assert evidence.correct == int((named == holdout.labels).sum())
    assert evidence.majority_correct == int((holdout.labels == 2).sum())
    assert evidence.production_correct is None
    assert evidence.production_problem is None


def test_production_that_has_not_seen_the_holdout_is_compared_on_all_rows(
    compare, holdout, other_forest
):
    old = {"train_start": "2025-01-01T00:00:00+00:00", "train_end": "2025-06-01T00:00:00+00:00"}
    file = export_forest(other_forest, old)
    evidence = compare(file)

    assert evidence.compared_samples == len(holdout)
    assert evidence.candidate_correct == evidence.correct
    expected = other_forest.predict(holdout.features) == holdout.labels
    assert evidence.production_correct == int(expected.sum())
    assert evidence.production_correct < evidence.correct
    assert evidence.notes == ()


def test_rows_of_productions_training_time_leave_for_both(compare, holdout, other_forest, model):
    evidence = compare(export_forest(other_forest, window(holdout, 0, 99)))
    left = holdout.rows(slice(100, 200))
    named, _ = score(load_model(model), left.features)

    assert evidence.holdout_samples == 200
    assert evidence.compared_samples == 100
    assert evidence.candidate_correct == int((named == left.labels).sum())
    right = other_forest.predict(left.features) == left.labels
    assert evidence.production_correct == int(right.sum())
    assert "the 100 holdout rows of that time left the comparison" in evidence.notes[0]


def test_rows_stay_when_too_few_would_be_left_and_the_notes_say_so(compare, holdout, other_forest):
    evidence = compare(export_forest(other_forest, window(holdout, 0, 185)))

    assert evidence.compared_samples == 200
    assert "could not leave the comparison" in evidence.notes[0]


@pytest.mark.parametrize(
    "metadata", [{}, {"train_start": "2025-01-01"}, {"train_start": "last", "train_end": "week"}]
)
def test_production_that_does_not_say_when_it_was_trained_is_noted(compare, other_forest, metadata):
    evidence = compare(export_forest(other_forest, metadata))

    assert evidence.compared_samples == 200
    assert "does not say what it was trained on" in evidence.notes[0]


def test_window_in_another_time_zone_is_read_as_utc(compare, holdout, other_forest):
    metadata = {
        "train_start": "2025-12-31T00:00:00+00:00",
        "train_end": "2026-01-01T02:30:00+02:00",
    }
    # 02:30 in +02:00 is 00:30 UTC: only the two rows of midnight lie before it.
    assert np.count_nonzero(holdout.timestamps <= np.datetime64("2026-01-01T00:30:00")) == 2
    assert compare(export_forest(other_forest, metadata)).compared_samples == 198


@pytest.mark.parametrize("content", [b"", b"not a model"])
def test_production_that_does_not_open_is_evidence_not_an_error(compare, content):
    evidence = compare(content)

    assert evidence.production_correct is None
    assert evidence.production_problem.startswith("The production model is broken")
    assert evidence.correct > 0


def test_production_with_another_signature_is_evidence_not_an_error(compare, model):
    evidence = compare(model.replace(b"probabilities", b"probabilitiez"))

    assert "probabilitiez" in evidence.production_problem
