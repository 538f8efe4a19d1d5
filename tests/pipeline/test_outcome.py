"""What is told of a run that did its work, from what its tasks left behind."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ml.evaluation.paired import Comparison
from ml.evaluation.promotion import Evidence, PromotionThresholds, decide
from ml.json_files import as_json
from ml.registry.models import open_store, write_candidate
from ml.registry.names import candidate_folder
from notifications.message import Message
from pipeline.settings import Settings, read_settings
from pipeline.tasks import notify_success as outcome
from tests.ml.report_example import RUN, example_metrics

COMPARED = Comparison(812, 580, 57, 31, difference_interval=(0.008, 0.055))
EVIDENCE = Evidence(812, 637, 250, COMPARED)
REPORT = {
    "warnings": [{"rule": "gaps", "observed": "13 days"}],
    "classes": [
        {"regime": "range", "samples": 812, "share": 0.99, "missing": 0, "problem": ""},
        {"regime": "breakout", "samples": 7, "share": 0.01, "missing": 3, "problem": "few"},
    ],
    "page": "/srv/docs/validations/regimes/run/time/page.html",
}
TRAINED = {"test_accuracy": 637 / 812, "total_samples": 4200, "train_samples": 3248}
LINKS = {
    "Log": "https://af.example/runs/r/tasks/notify_success",
    "Data Docs": "https://docs.example",
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    metrics = example_metrics() | {"model_sha256": hashlib.sha256(b"model").hexdigest()}
    files = {"model.onnx": b"model", "metrics.json": as_json(metrics)}
    write_candidate(open_store(tmp_path), RUN, files)
    return replace(read_settings(), models_dir=str(tmp_path))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    messages: list[Message] = []
    monkeypatch.setattr(outcome, "tell", messages.append)
    return messages


def _decision(min_accuracy: float = 0.65) -> Mapping[str, Any]:
    return decide(EVIDENCE, PromotionThresholds(min_accuracy)).to_dict()


def test_deployed_tells_significance_labels_picture_and_links(
    settings: Settings, told: list[Message]
) -> None:
    outcome.notify_success(settings, RUN, REPORT, TRAINED, _decision(), LINKS)
    (message,) = told
    assert message.kind == "deployed"
    assert "📈 Training Samples: 4200" in message.text
    assert message.details[:6] == (
        "⚠️ gaps: 13 days",
        "Trained on 3248 of the samples, judged on the newest 812.",
        "Compared on the same 812 rows: candidate 78.45%, production 75.25%.",
        "Difference: +3.2 points (95% interval +0.8 to +5.5).",
        (
            "Predicted correctly by the candidate alone: 57 rows, by production alone: 31: "
            "hardly chance (McNemar p = 0.0073)."
        ),
        "Labels per regime: range 812, breakout 7 (3 more needed)",
    )
    (picture,) = message.pictures
    assert picture.name == "confusion_matrix.png"
    assert picture.content.startswith(b"\x89PNG")
    assert dict(message.links) == LINKS


def test_not_deployed_has_the_picture_of_its_verdict(
    settings: Settings, told: list[Message]
) -> None:
    outcome.notify_success(settings, RUN, REPORT, TRAINED, _decision(), LINKS)
    outcome.notify_success(settings, RUN, REPORT, TRAINED, _decision(0.99), LINKS)
    deployed, refused = told
    assert refused.kind == "kept"
    assert refused.pictures[0].content != deployed.pictures[0].content


def test_missing_candidate_costs_the_picture_not_the_message(
    settings: Settings, told: list[Message], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = replace(settings, models_dir=str(tmp_path / "empty"))
    outcome.notify_success(elsewhere, RUN, REPORT, TRAINED, _decision(), LINKS)
    (message,) = told
    assert message.pictures == ()
    assert "Difference: +3.2 points (95% interval +0.8 to +5.5)." in message.details
    assert "The confusion matrix" in caplog.text


def test_metrics_that_cannot_be_drawn_cost_the_picture_only(
    settings: Settings, told: list[Message]
) -> None:
    odd = as_json(example_metrics() | {"confusion_matrix": [["many"]]})
    settings.models.write(f"{candidate_folder(RUN)}/metrics.json", odd)
    outcome.notify_success(settings, RUN, REPORT, TRAINED, _decision(), LINKS)
    assert told[0].pictures == ()


def test_first_model_has_nothing_to_be_compared_with_and_the_message_says_where_it_lies(
    settings: Settings, told: list[Message]
) -> None:
    alone = decide(Evidence(812, 637, 250), PromotionThresholds()).to_dict()
    outcome.notify_success(settings, RUN, REPORT, TRAINED, alone, {})
    assert not [line for line in told[0].details if line.startswith(("Compared", "Difference"))]
    place = f"{settings.models_dir}/regime_detector.onnx"
    assert f"put at {place}: see that the application reads it" in told[0].text


def test_model_in_the_place_of_one_that_cannot_be_scored_is_not_called_the_first(
    settings: Settings, told: list[Message]
) -> None:
    beside = Evidence(812, 637, 250, production_problem="The production file is broken.")
    decision = decide(beside, PromotionThresholds()).to_dict()
    outcome.notify_success(settings, RUN, REPORT, TRAINED, decision, {})
    assert "the first model" not in told[0].text
