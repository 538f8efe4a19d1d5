"""Both models are scored on the same rows, and rows production has seen leave."""

import json

import numpy as np
import pytest

from ml.data.samples import utc
from ml.evaluation.comparison import score_on_holdout
from ml.onnx_model import load_model, score
from ml.training.export import export_forest
from ml.training.forest import fit_forest


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
        return score_on_holdout(holdout, load_model(model), production, "range")

    return against


def window(samples, first, last):
    moments = (utc(samples.timestamps[row]).isoformat() for row in (first, last))
    return dict(zip(("train_start", "train_end"), moments, strict=True))


def test_without_production_only_the_candidate_is_counted(compare, holdout, model):
    evidence = compare(None).evidence
    named, _ = score(load_model(model), holdout.features)

    assert evidence.correct == int((named == holdout.labels).sum())
    assert evidence.majority_correct == int((holdout.labels == 2).sum())
    assert evidence.comparison is None
    assert evidence.production_problem is None


def test_production_that_has_not_seen_the_holdout_is_compared_on_all_rows(
    compare, holdout, other_forest
):
    old = {"train_start": "2025-01-01T00:00:00+00:00", "train_end": "2025-06-01T00:00:00+00:00"}
    file = export_forest(other_forest, old)
    evidence = compare(file).evidence

    assert evidence.comparison.rows == len(holdout)
    assert evidence.comparison.candidate_correct == evidence.correct
    expected = other_forest.predict(holdout.features) == holdout.labels
    assert evidence.comparison.production_correct == int(expected.sum())
    assert evidence.comparison.production_correct < evidence.correct
    assert evidence.notes == ()


def test_rows_of_productions_training_time_leave_for_both(compare, holdout, other_forest, model):
    evidence = compare(export_forest(other_forest, window(holdout, 0, 99))).evidence
    left = holdout.rows(slice(100, 200))
    named, _ = score(load_model(model), left.features)

    assert evidence.holdout_samples == 200
    assert evidence.comparison.rows == 100
    assert evidence.comparison.candidate_correct == int((named == left.labels).sum())
    right = other_forest.predict(left.features) == left.labels
    assert evidence.comparison.production_correct == int(right.sum())
    assert "the 100 holdout rows of that time left the comparison" in evidence.notes[0]


def test_rows_stay_when_too_few_would_be_left_and_the_notes_say_so(compare, holdout, other_forest):
    evidence = compare(export_forest(other_forest, window(holdout, 0, 185))).evidence

    assert evidence.comparison.rows == 200
    assert "could not leave the comparison" in evidence.notes[0]


@pytest.mark.parametrize(
    "metadata", [{}, {"train_start": "2025-01-01"}, {"train_start": "last", "train_end": "week"}]
)
def test_production_that_does_not_say_when_it_was_trained_is_noted(compare, other_forest, metadata):
    evidence = compare(export_forest(other_forest, metadata)).evidence

    assert evidence.comparison.rows == 200
    assert "does not say what it was trained on" in evidence.notes[0]


def test_window_in_another_time_zone_is_read_as_utc(compare, holdout, other_forest):
    metadata = {
        "train_start": "2025-12-31T00:00:00+00:00",
        "train_end": "2026-01-01T02:30:00+02:00",
    }
    # 02:30 in +02:00 is 00:30 UTC: only the two rows of midnight lie before it.
    assert np.count_nonzero(holdout.timestamps <= np.datetime64("2026-01-01T00:30:00")) == 2
    assert compare(export_forest(other_forest, metadata)).evidence.comparison.rows == 198


@pytest.mark.parametrize("content", [b"", b"not a model"])
def test_production_that_does_not_open_is_evidence_not_an_error(compare, content):
    evidence = compare(content).evidence

    assert evidence.comparison is None
    assert evidence.production_problem.startswith("The production model is broken")
    assert evidence.correct > 0


def test_production_with_another_signature_is_evidence_not_an_error(compare, model):
    evidence = compare(model.replace(b"probabilities", b"probabilitiez")).evidence

    assert "probabilitiez" in evidence.production_problem
    (doubt,) = evidence.doubts
    assert "probabilitiez" in doubt and "see that MODELS_DIR is the right place" in doubt


def test_regimes_that_only_production_predicts_are_named(holdout, other_forest, model):
    candidate = load_model(export_forest(other_forest))
    found = score_on_holdout(holdout, candidate, model, "range")
    (note, *_) = found.evidence.notes
    assert note == (
        "production predicts volatile, accumulation, distribution, which this model never does"
    )


def test_evidence_counts_days_and_runs_and_the_holdouts_own_constant(compare, holdout):
    evidence = compare(None).evidence
    assert evidence.coverage == holdout.coverage()
    assert evidence.holdout_majority_correct == max(holdout.class_counts().values())
    assert evidence.interval[0] <= evidence.accuracy <= evidence.interval[1]


def test_comparison_counts_each_row_once_and_brackets_the_difference(
    compare, holdout, other_forest, model
):
    found = compare(export_forest(other_forest, window(holdout, 0, 99)))
    pairs = found.evidence.comparison
    told = pairs.to_dict()
    left = holdout.rows(slice(100, 200))
    named = score(load_model(model), left.features)[0] == left.labels
    other = other_forest.predict(left.features) == left.labels

    assert pairs.only_candidate_correct == int((named & ~other).sum())
    assert pairs.only_production_correct == int((other & ~named).sum())
    assert (told["rows"], told["left_out_rows"]) == (100, 100)
    low, high = told["difference_interval"]
    assert low < told["difference"] < high
    assert low > 0
    assert told["p_value"] < 1e-6
    json.dumps(told, allow_nan=False)


def test_comparison_with_a_copy_of_itself_differs_by_nothing(compare, model):
    told = compare(model).evidence.comparison.to_dict()

    assert told["difference"] == 0
    assert told["difference_interval"] == (0, 0)
    assert told["p_value"] == 1


def test_costs_are_means_over_the_compared_rows(holdout, model, other_forest):
    costs = np.arange(49.0).reshape(7, 7)
    other = export_forest(other_forest, {})
    table = tuple(map(tuple, costs.tolist()))
    found = score_on_holdout(holdout, load_model(model), other, "range", table).evidence.comparison
    named = [score(load_model(file), holdout.features)[0] for file in (model, other)]

    assert found.costs == pytest.approx([costs[holdout.labels, y].mean() for y in named])
    assert found.slices.judged > 0
