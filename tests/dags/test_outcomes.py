"""Every way a run can end, through the real Airflow, Great Expectations, ClickHouse and ONNX."""

import hashlib
import json
import re
from datetime import UTC, datetime

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import sqlalchemy as sa

from clickhouse.snapshot import freeze
from ml.contract import FEATURES, REGIMES
from tests.dags.small_models import deploy, market_candidate

# Airflow and what it is made of raise deprecations of their own.
pytestmark = pytest.mark.filterwarnings("default")

TASKS = {
    "check_data",
    "train_model",
    "validate_model",
    "approve_deployment",
    "deploy_model",
    "skip_deployment",
    "notify_success",
}
CONTRACT_METRICS = {
    "test_accuracy",
    "train_accuracy",
    "cv_accuracy",
    "balanced_accuracy",
    "macro_f1",
    "total_samples",
    "train_samples",
    "holdout_samples",
    "class_counts",
    "majority_accuracy",
    "production_accuracy",
    "model_sha256",
    "data_fingerprint",
    "trained_at",
    "deployed_at",
    "run_id",
    "train_start",
    "train_end",
    "holdout_start",
    "holdout_end",
}


@pytest.fixture
def earlier_market(market):
    """What was known when production was trained: a model of all the market is 9 points better."""
    return market[market["timestamp"] < market["timestamp"].quantile(0.4)]


@pytest.fixture
def contents_of(s3):
    """Gives the objects below a prefix by name."""

    def read(prefix):
        s3.invalidate_cache()
        return {path.removeprefix(f"{prefix}/"): s3.cat_file(path) for path in s3.find(prefix)}

    return read


def _file_answers(content: bytes) -> None:
    """The application's view of the model file, with onnxruntime alone."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    assert (given.name, given.type, given.shape[1]) == ("input", "tensor(double)", 22)
    rows = np.random.default_rng(0).normal(size=(5, 22))
    label, probabilities = session.run(["output", "probabilities"], {"input": rows})
    assert (label.dtype, label.shape) == (np.int64, (5,))
    assert (probabilities.dtype, probabilities.shape) == (np.float64, (5, 7))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_first_run_deploys_and_tells(home, market, chat) -> None:
    home.load(market)
    run = home.run()
    assert run.state == "success"
    assert set(run.tasks) == TASKS
    assert (run.tasks["deploy_model"], run.tasks["skip_deployment"]) == ("success", "skipped")
    assert run.tasks["approve_deployment"] == "success"
    _file_answers((home.models / "regime_detector.onnx").read_bytes())
    metrics = home.metrics()
    assert set(metrics) >= CONTRACT_METRICS
    assert (metrics["production_accuracy"], metrics["total_samples"]) == (None, 2000)
    assert metrics["test_accuracy"] > 0.65
    (message,) = chat
    assert f"📊 Test Accuracy: {metrics['test_accuracy']:.1%}" in message
    assert (
        "Model deployed to production.\nApplication will use new model on next restart." in message
    )
    assert "Label next: nothing, every row without a label is within a day of" in message
    assert "/regime-model/label-next" in message
    pages = list(home.docs.rglob("*.html"))
    assert home.docs / "index.html" in pages
    assert any(run.run_id in page.parts for page in pages)
    groups = re.findall(r"::group::(.+?)(?: {2,}|$)", run.log, re.MULTILINE)
    ours = [name for name in groups if not name.endswith("Execute")]
    assert ours == ["Every rule (61)", "Training", "Report", "Report"]
    assert "Verdict: Passed" in run.log
    links = {"check_data": "data-docs/run?run_id=", "train_model": "report?run_id="}
    for task, page in links.items():
        assert any(page in str(run.xcoms[name]) for name in run.xcoms if name.startswith(task))


def test_warning_of_the_data_gate_blocks_nothing_and_stands_in_the_message(
    home, market, chat
) -> None:
    home.load(market.assign(btc_dominance=50.0))
    assert home.run().state == "success"
    (message,) = chat
    assert "Model deployed to production." in message
    assert "⚠️ features vary: btc_dominance" in message


def test_second_run_on_the_same_data_keeps_production_with_both_numbers(home, market, chat) -> None:
    home.load(market)
    # The forest that a run makes.
    deploy(home.models, market_candidate(market), datetime.now(UTC))
    production = (home.models / "regime_detector.onnx").read_bytes()
    run = home.run()
    assert (run.tasks["deploy_model"], run.tasks["skip_deployment"]) == ("skipped", "success")
    assert run.tasks["notify_success"] == run.state == "success"
    assert (home.models / "regime_detector.onnx").read_bytes() == production
    number = f"{home.metrics()['test_accuracy']:.1%}"
    (message,) = chat
    assert f"accuracy {number} is not better than production's {number} on the same" in message
    assert "Production model unchanged." in message
    assert "Both models predict the same 400 rows correctly or not" in message
    assert "Difference" not in message


def test_training_is_bounded_and_the_report_says_so(home, market) -> None:
    home.load(market)
    run = home.run(MAX_TRAIN_ROWS="1000")
    assert run.tasks["deploy_model"] == "success"
    metrics = home.metrics()
    assert (metrics["total_samples"], metrics["train_samples_available"]) == (2000, 1568)
    assert 993 <= metrics["train_samples"] <= 1000
    assert (metrics["holdout_samples"], sum(metrics["class_counts"].values())) == (400, 2000)
    assert f"Training: {metrics['train_samples']} of 1568 rows" in run.log
    (page,) = home.models.glob("candidates/*/report.html")
    assert "older, left out" in page.read_text("utf-8")
    # And without a chat, the log has the message.
    assert "Model deployed to production." in run.log and "No channel is configured" in run.log


def test_floor_of_the_run_overrides_the_variable_and_keeps_a_candidate_out(
    home, market, chat
) -> None:
    home.load(market)
    run = home.run({"min_accuracy": 0.99}, MIN_ACCURACY="0.1")
    assert (run.state, run.tasks["skip_deployment"]) == ("success", "success")
    assert not (home.models / "regime_detector.onnx").exists()
    assert "is below the floor of 99.0% (MIN_ACCURACY)" in chat[0]


def test_better_candidate_replaces_production_and_keeps_the_old_pair(
    home, market, earlier_market
) -> None:
    deploy(home.models, market_candidate(earlier_market), datetime.now(UTC))
    before = home.files()
    home.load(market)
    run = home.run(MIN_ACCURACY="0.3")
    assert run.tasks["deploy_model"] == "success"
    after = home.files()
    backed_up = {name for name in after if name.startswith("backups/")}
    assert {after[name] for name in backed_up} == {
        before["regime_detector.onnx"],
        before["regime_detector_metrics.json"],
    }
    assert home.metrics()["production_accuracy"] < home.metrics()["test_accuracy"]


@pytest.mark.full
def test_better_candidate_whose_lead_may_be_chance_is_kept_out_where_asked(
    home, market, earlier_market, chat
) -> None:
    home.load(earlier_market)
    home.run(MIN_ACCURACY="0.3")
    home.load(market)
    run = home.run({"max_p_value": 0}, MIN_ACCURACY="0.3")
    assert run.tasks["skip_deployment"] == "success"
    # Nothing else speaks against it.
    assert "Model not deployed: that it alone predicts " in chat[1]
    assert "may be chance (McNemar: p = " in chat[1]
    assert "MAX_P_VALUE 0)." in chat[1]


@pytest.mark.full
def test_models_in_an_object_store_need_no_folder(
    home, market, earlier_market, monkeypatch, s3, contents_of
) -> None:
    extra = json.dumps({"endpoint_url": s3.endpoint_url})
    connection = {"conn_type": "aws", "login": "access-key", "password": "secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_OUR_S3", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW_VAR_MODELS_DIR", "s3://our_s3@models/dag")
    home.load(earlier_market)
    assert home.run(MIN_ACCURACY="0.3").tasks["deploy_model"] == "success"
    home.load(market)
    assert home.run(MIN_ACCURACY="0.3").tasks["deploy_model"] == "success"
    found = contents_of("models/dag")
    _file_answers(found["regime_detector.onnx"])
    metrics = json.loads(found["regime_detector_metrics.json"])
    assert metrics["model_sha256"] == hashlib.sha256(found["regime_detector.onnx"]).hexdigest()
    assert metrics["production_accuracy"] < metrics["test_accuracy"]
    names = {name.rpartition("/")[2] for name in found if name.startswith("backups/")}
    assert names == {"regime_detector.onnx", "regime_detector_metrics.json"}
    assert not home.models.exists()


@pytest.mark.full
def test_model_of_shuffled_labels_is_not_deployed(home, market) -> None:
    labelled = market["regime_label"] != ""
    shuffled = market.copy()
    labels = market.loc[labelled, "regime_label"].sample(frac=1, random_state=0)
    shuffled.loc[labelled, "regime_label"] = labels.to_numpy()
    home.load(shuffled)
    run = home.run()
    assert (run.state, run.tasks["deploy_model"]) == ("success", "skipped")


def test_broken_production_file_is_told_loudly_and_replaced(home, market, chat) -> None:
    home.load(market)
    home.models.mkdir()
    (home.models / "regime_detector.onnx").write_bytes(b"not a model")
    run = home.run()
    assert run.tasks["deploy_model"] == "success"
    assert "PRODUCTION COULD NOT BE SCORED" in chat[0]


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"MIN_LABELED_SAMPLES": "1000000"}, "Samples: 2000 (need 1000000+)"),
        ({"MIN_CLASS_SHARE": "0.3"}, "less than 30.0% of all"),
    ],
)
def test_rejected_data_fails_at_once_and_leaves_production(
    home, market, chat, variables: dict[str, str], told: str
) -> None:
    home.load(market)
    home.models.mkdir()
    (home.models / "regime_detector.onnx").write_bytes(b"production")
    before = home.files()
    run = home.run(**variables)
    assert (run.state, run.tasks["check_data"], run.tries["check_data"]) == ("failed", "failed", 1)
    assert run.tasks["train_model"] == "upstream_failed"
    assert home.files() == before
    (message,) = chat
    assert "Error: Insufficient data quality" in message
    assert told in message
    assert "Label next: nothing" in message
    assert "Data gate: Rejected" in run.log
    assert "labels missing" in run.log
    assert "/regime-model/data-docs/run?run_id=" in str(run.xcoms["check_data link_data_docs"])


def test_list_of_rows_to_label_names_models_and_stands_in_message_and_table(
    home, market, chat
) -> None:
    months = market["timestamp"] > market["timestamp"].quantile(0.3)
    home.load(market.assign(regime_label=market["regime_label"].where(months, "")))
    assert home.run(LABELS_WANTED="12").state == "success"
    (message,) = chat
    assert re.search(r"Label next: 12 rows, first \w+ 2\d{3}-.* UTC \(no label of", message)
    engine = home.open()
    with engine.connect() as connection:
        kept = connection.execute(sa.text("SELECT * FROM regime_labels_wanted ORDER BY rank")).all()
    engine.dispose()
    assert len(kept) == 12
    assert all(row.candidate in REGIMES and not row.production for row in kept)


def test_list_that_cannot_be_made_or_is_not_wanted_fails_nothing(
    home, market, chat, monkeypatch
) -> None:
    home.load(market)
    monkeypatch.setattr("ml.labelling.listing.make_list", lambda *_: 1 / 0)
    run = home.run()
    assert run.state == "success" and "The list of rows to label next is left out" in run.log
    assert "Label next" not in chat[0]


def test_rows_of_an_unknown_label_are_rejected_by_their_rule(home, market, chat) -> None:
    spoiled = market.copy()
    rows = spoiled.index[spoiled["regime_label"] != ""][:30]
    spoiled.loc[rows, "regime_label"] = "Trend Up"
    home.load(spoiled)
    assert home.run().state == "failed"
    assert "known labels" in chat[0]


def test_wrong_setting_fails_at_once_naming_variable_value_and_range(home, market, chat) -> None:
    home.load(market)
    run = home.run(MIN_ACCURACY="high")
    assert (run.state, run.tries["check_data"]) == ("failed", 1)
    assert "MIN_ACCURACY is 'high', but allowed is a number from 0 to 1" in chat[0]


def test_missing_table_fails_at_once_with_the_remedy(home, chat) -> None:
    run = home.run()
    assert (run.state, run.tries["check_data"]) == ("failed", 1)
    assert "regime_features" in chat[0]
    assert "schema.sql" in chat[0]
    assert "data quality" not in chat[0]


@pytest.mark.parametrize("port", [8123, 9000])
def test_unreachable_clickhouse_is_retried_and_never_called_bad_data(home, chat, port: int) -> None:
    connection = {
        "conn_type": "http",
        "host": "127.0.0.1",
        "port": 1,
        "password": "s3cr3t-password",
        "extra": {"driver": {8123: "http", 9000: "native"}[port]},
    }
    home.monkeypatch.setenv("AIRFLOW_CONN_CLICKHOUSE_DEFAULT", json.dumps(connection))
    run = home.run()
    assert (run.state, run.tries["check_data"]) == ("failed", 2)
    (message,) = chat
    assert "cannot be reached" in message
    assert "data quality" not in message
    assert "s3cr3t-password" not in message + run.log


def test_candidate_changed_after_the_verdict_is_not_deployed(home, market, chat) -> None:
    from ml.evaluation import validation as judgement

    home.load(market)
    judge = judgement.judge_candidate

    def judge_then_tamper(models_dir, run_id, *rest):
        decision = judge(models_dir, run_id, *rest)
        (file,) = models_dir.root.glob("candidates/*/model.onnx")
        file.write_bytes(file.read_bytes() + b" ")
        return decision

    home.monkeypatch.setattr("pipeline.tasks.validate_model.judge_candidate", judge_then_tamper)
    run = home.run()
    assert (run.state, run.tasks["deploy_model"]) == ("failed", "failed")
    assert not (home.models / "regime_detector.onnx").exists()
    assert len(chat) == 1


@pytest.mark.full
def test_silent_chat_does_not_fail_the_run(home, market) -> None:
    home.load(market)
    # Its pauses are tried in tests/notifications.
    home.monkeypatch.setattr("notifications.patience.Time.wait", lambda *_: False)
    run = home.run(APPRISE_URLS="json://127.0.0.1:1/")
    assert run.state == "success"
    assert "NOT delivered to APPRISE_URLS line 1" in run.log


def test_samples_that_only_lie_in_the_holdout_are_a_clear_error(home, market, chat) -> None:
    labelled = market[market["regime_label"] != ""]
    minutes = labelled.groupby("symbol").cumcount() * 2
    newest = labelled["timestamp"].max()
    home.load(labelled.assign(timestamp=newest - pd.to_timedelta(minutes, unit="min")))
    run = home.run()
    assert (run.state, run.tasks["train_model"], run.tries["train_model"]) == (
        "failed",
        "failed",
        1,
    )
    assert "EMBARGO_HOURS" in chat[0]


def test_snapshot_of_production_outlives_the_newest_ten(home, market) -> None:
    home.load(market)
    engine = home.open()
    frozen = [freeze(engine, f"old {number}", FEATURES) for number in range(12)]
    engine.dispose()
    home.models.mkdir()
    (home.models / "regime_detector.onnx").write_bytes(b"production")
    sha256 = hashlib.sha256(b"production").hexdigest()
    metrics = {"model_sha256": sha256, "snapshot_table": frozen[0].name}
    (home.models / "regime_detector_metrics.json").write_text(json.dumps(metrics))
    home.run(MIN_LABELED_SAMPLES="1000000")
    engine = home.open()
    left = {name for name in sa.inspect(engine).get_table_names() if "snapshot" in name}
    engine.dispose()
    kept = {snapshot.table for snapshot in (frozen[0], *frozen[3:])}
    assert left >= kept and len(left) == len(kept) + 1  # and this run's own


def test_labels_of_the_newest_stretch_deploy_nothing_and_the_message_says_what_to_label(
    home, market, chat
) -> None:
    """As people label: some hundred rows of four days. They predict each other correctly."""
    newest = market["timestamp"].max() - pd.Timedelta(hours=106)
    home.load(
        market.assign(regime_label=market["regime_label"].where(market["timestamp"] > newest, ""))
    )
    run = home.run(
        MIN_LABELED_SAMPLES="100", MIN_CLASSES="2", MIN_ACCURACY="0", MAX_CLASS_SHARE="1"
    )
    assert (run.tasks["deploy_model"], run.tasks["skip_deployment"]) == ("skipped", "success")
    assert not (home.models / "regime_detector.onnx").exists()
    (message,) = chat
    assert re.search(r"rows come from \d days and \d+ runs of one regime, too few", message)
    assert "asked for: 5 days and 20 runs, MIN_HOLDOUT_DAYS and MIN_HOLDOUT_RUNS" in message
    assert "label rows spread over weeks" in message


@pytest.mark.full
def test_model_that_a_person_took_out_stays_out_until_a_person_says_so(
    home, market, earlier_market, chat
) -> None:
    home.load(earlier_market)
    home.run(MIN_ACCURACY="0.3")
    former = (home.models / "regime_detector.onnx").read_bytes()
    home.load(market)
    assert home.run(MIN_ACCURACY="0.3").tasks["deploy_model"] == "success"
    home.run({"why": "it lost money"}, dag_id="regime_model_rollback")
    assert "Held: no run replaces it until a person approves one" in chat[2]
    run = home.run(MIN_ACCURACY="0.3")
    assert (run.tasks["deploy_model"], run.tasks["skip_deployment"]) == ("skipped", "success")
    assert (home.models / "regime_detector.onnx").read_bytes() == former
    assert "production was put back by hand on " in chat[3]
    assert "(it lost money), and this is the very model that was taken out" in chat[3]
    run = home.run({"release_hold": True}, MIN_ACCURACY="0.3")
    assert run.tasks["deploy_model"] == "success"


@pytest.mark.full
def test_production_that_has_vanished_is_not_taken_for_a_first_deployment(
    home, market, chat
) -> None:
    home.load(market)
    home.run()
    (home.models / "regime_detector.onnx").unlink()
    run = home.run()
    assert run.tasks["skip_deployment"] == "success"
    assert f"there is no production model at {home.models}/regime_detector.onnx, but" in chat[1]
