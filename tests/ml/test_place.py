"""What production is, is never guessed: a place that looks odd is told to a person."""

import pytest

from ml.evaluation.validation import odd_place
from ml.json_files import as_json
from ml.registry.store import Folder

MODEL, METRICS = "regime_detector.onnx", "regime_detector_metrics.json"


@pytest.fixture
def place(tmp_path):
    return Folder(tmp_path)


def test_empty_place_and_one_with_production_are_not_odd(place):
    assert not list(odd_place(place))
    place.write("backups/2026-11-22T021500Z_8ac1d7f3/x", b"")
    place.write(MODEL, b"model")
    assert not list(odd_place(place, place.where(MODEL)))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("backups/2026-11-22T021500Z_8ac1d7f3/regime_detector.onnx", b"m", "1 backups"),
        (METRICS, b"{}", METRICS),
        (
            "history.json",
            as_json({}).replace(b"{}", b'[{"deployed_at": "2026-11-22"}]'),
            "deployed",
        ),
        (
            "candidates/x-0a1b2c3d/metrics.json",
            b'{"deployed_at": "2026-11-22"}',
            "runs that were deployed",
        ),
    ],
)
def test_place_that_lost_its_production_is_told_with_its_address(place, name, content, told):
    place.write(name, content)
    (doubt,) = odd_place(place)
    assert told in doubt
    assert doubt.startswith(f"there is no production model at {place.where(MODEL)}, but ")


def test_runs_that_were_all_refused_leave_a_first_deployment(place):
    place.write("history.json", b'[{"deployed_at": null}]')
    place.write("candidates/x-0a1b2c3d/metrics.json", b'{"deployed_at": null}')
    assert not list(odd_place(place))


def test_another_place_than_that_of_the_last_deployment_is_told_with_both(place):
    place.write(MODEL, b"model")
    (doubt,) = odd_place(place, "/app/models/regime_detector.onnx")
    assert place.where(MODEL) in doubt and "/app/models/regime_detector.onnx" in doubt
