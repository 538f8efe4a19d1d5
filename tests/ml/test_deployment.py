"""Deploying and going back keep what they replace, can be repeated, and refuse what is not sound.

Each test runs on a local folder and on an S3 server.
"""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest

from ml.errors import ModelBroken, ModelError
from ml.json_files import as_json
from ml.onnx_model import load_model, score
from ml.registry.deployment import deploy_candidate, roll_back
from ml.registry.models import backup_names, read_candidate, read_production, write_candidate
from ml.registry.store import Folder
from ml.report.pages import report_pages
from ml.training.export import export_forest
from tests.ml.report_example import example_metrics

NOW = datetime(2026, 11, 22, 2, 15, tzinfo=UTC)
WEEK = timedelta(days=7)
MODEL, METRICS = "regime_detector.onnx", "regime_detector_metrics.json"


def sha256(model):
    return hashlib.sha256(model).hexdigest()


def anything(_model, _name):
    """A check that lets tests deploy what is no model."""


@pytest.fixture
def candidate(store):
    """Writes a candidate and returns its digest."""

    def write(run_id, model):
        metrics = example_metrics() | {"model_sha256": sha256(model), "run_id": run_id}
        written = {"model.onnx": model, "metrics.json": as_json(metrics)}
        return write_candidate(store, run_id, written).sha256

    return write


@pytest.fixture
def deploy(store, candidate):
    """Writes and deploys a candidate whose file is not looked into."""

    def run(run_id, model, at=NOW):
        return deploy_candidate(
            store, run_id, candidate(run_id, model), at, anything, pages=report_pages
        )

    return run


@pytest.fixture
def live(store):
    """Gives the pair in production."""
    return lambda: (store.read(MODEL), store.read(METRICS))


def backed_up(contents):
    return {name: content for name, content in contents().items() if name.startswith("backups/")}


def test_first_deployment_writes_the_pair_and_no_backup(store, deploy, contents):
    done = deploy("run1", b"one")

    assert (done.changed, done.backup, done.run_id) == (True, None, "run1")
    assert done.path == store.where(MODEL)
    assert store.read(MODEL) == b"one"
    metrics = json.loads(store.read(METRICS))
    assert metrics["deployed_at"] == done.deployed_at == "2026-11-22T02:15:00+00:00"
    assert metrics["model_sha256"] == done.sha256
    assert [name for name in contents() if "/" not in name] == [MODEL, METRICS]


def test_second_deployment_keeps_the_former_pair(store, deploy, live):
    first = deploy("run1", b"one")
    former = live()
    second = deploy("run2", b"two", NOW + WEEK)

    assert store.read(MODEL) == b"two"
    assert second.backup == f"backups/2026-11-29T021500Z_{first.sha256[:8]}"
    kept = tuple(store.read(f"{second.backup}/{name}") for name in (MODEL, METRICS))
    assert kept == former


def test_deployment_repeated_changes_nothing(store, deploy, candidate, contents):
    deploy("run1", b"one")
    done = deploy("run2", b"two")
    before = contents()
    again = deploy_candidate(store, "run2", done.sha256, NOW + WEEK, check=anything)

    assert not again.changed
    assert again.deployed_at == "2026-11-22T02:15:00+00:00"
    assert contents() == before


def test_deployed_candidate_says_since_when(store, deploy):
    deploy("run1", b"one")
    kept = read_candidate(store, "run1")

    assert kept.metrics["deployed_at"] == "2026-11-22T02:15:00+00:00"
    page = store.read(f"{kept.folder}/report.html").decode()
    assert "This model went into production on 2026-11-22 02:15 UTC." in page


def test_deployment_stopped_after_the_model_is_finished_by_the_next_call(
    store, deploy, candidate, live
):
    deploy("run1", b"one")
    judged = candidate("run2", b"two")
    store.write(MODEL, b"two")
    assert read_production(store).metrics is None
    done = deploy_candidate(store, "run2", judged, NOW + WEEK, check=anything)

    assert not done.changed
    assert read_production(store).metrics["run_id"] == "run2"
    assert read_production(store).metrics["deployed_at"] == "2026-11-29T02:15:00+00:00"


def test_deployment_of_another_mends_the_pair_before_it_keeps_it(store, deploy, candidate):
    deploy("run1", b"one")
    candidate("run2", b"two")
    store.write(MODEL, b"two")
    done = deploy("run3", b"three", NOW + WEEK)

    kept = json.loads(store.read(f"{done.backup}/{METRICS}"))
    assert (kept["run_id"], kept["model_sha256"]) == ("run2", sha256(b"two"))


@pytest.mark.parametrize("cut", [0, 100])
def test_metrics_cut_short_are_mended_from_the_file_itself(store, deploy, live, forest, cut):
    """Also when the candidate they came from is gone."""
    metadata = {
        "metrics": json.dumps({"test_accuracy": 0.7}),
        "class_counts": json.dumps({"range": 3}),
        **dict.fromkeys(("total_samples", "train_samples", "holdout_samples"), "300"),
        **dict.fromkeys(("train_start", "train_end", "holdout_start", "holdout_end"), "2026"),
        "data_fingerprint": "f",
    }
    model = export_forest(forest, metadata)
    deploy("run1", model)
    store.remove_folder(read_candidate(store, "run1").folder)
    store.write(METRICS, store.read(METRICS)[:cut])
    done = deploy("run2", b"two", NOW + WEEK)

    kept = json.loads(store.read(f"{done.backup}/{METRICS}"))
    assert kept["model_sha256"] == sha256(model)
    assert (kept["test_accuracy"], kept["total_samples"]) == (0.7, 300)


def test_model_that_was_damaged_does_not_get_metrics_of_its_own(store, deploy, forest):
    """Its metadata still speak of the data its metrics speak of."""
    metadata = {
        "metrics": json.dumps({"test_accuracy": 0.7}),
        "class_counts": "{}",
        **dict.fromkeys(("total_samples", "train_samples", "holdout_samples"), "300"),
        **dict.fromkeys(("train_start", "train_end", "holdout_start", "holdout_end"), "2026"),
        "data_fingerprint": example_metrics()["data_fingerprint"],
    }
    deploy("run1", export_forest(forest, metadata))
    whole = store.read(METRICS)
    store.write(MODEL, export_forest(forest, metadata | {"labels": "x"}))
    done = deploy("run2", b"two", NOW + WEEK)

    assert store.read(f"{done.backup}/{METRICS}") == whole


def test_changes_within_a_second_keep_their_order(store, deploy):
    for number in range(3):
        deploy(f"run{number}", b"model %d" % number, NOW)
    kept = [name.rpartition("_")[2] for name in backup_names(store)]

    assert kept == [sha256(b"model %d" % number)[:8] for number in (0, 1)]
    assert roll_back(store, NOW, check=anything).run_id == "run1"


def test_metrics_of_which_nothing_is_known_stay_as_they_are(store, deploy):
    store.write(MODEL, b"of somebody else")
    store.write(METRICS, b"{")
    done = deploy("run1", b"one")

    assert store.read(f"{done.backup}/{MODEL}") == b"of somebody else"
    assert store.read(f"{done.backup}/{METRICS}") == b"{"


def test_backups_are_pruned_to_the_newest_ten(store, deploy):
    for day in range(13):
        deploy(f"run{day}", b"model %d" % day, NOW + timedelta(days=day))

    kept = backup_names(store)
    assert len(kept) == 10
    assert kept[0].startswith("2026-11-25")
    assert kept[-1].startswith("2026-12-04")


def test_candidate_changed_after_the_verdict_is_refused(store, deploy, candidate, live):
    deploy("run1", b"one")
    before = live()
    judged = candidate("run2", b"two")
    candidate("run2", b"another")

    with pytest.raises(ModelBroken, match="is expected"):
        deploy_candidate(store, "run2", judged, NOW)
    assert live() == before


@pytest.mark.parametrize("model", [b"garbage", b""])
def test_candidate_that_does_not_open_leaves_everything_alone(
    store, deploy, candidate, contents, model
):
    deploy("run1", b"one")
    judged = candidate("run2", model)
    before = contents()

    with pytest.raises(ModelBroken, match="onnxruntime cannot open"):
        deploy_candidate(store, "run2", judged, NOW)
    assert contents() == before


def test_missing_candidate_leaves_everything_alone(store, deploy, contents):
    deploy("run1", b"one")
    before = contents()

    with pytest.raises(ModelBroken, match="candidate of run run9"):
        deploy_candidate(store, "run9", "0" * 64, NOW)
    assert contents() == before


def test_copy_that_does_not_answer_never_takes_the_name(store, deploy, candidate, live, contents):
    deploy("run1", b"one")
    before = live()
    judged = candidate("run2", b"two")

    def only_the_original(_model, name):
        if name.startswith("copy"):
            raise ModelBroken(name, ("it does not answer",), "look at the disk")

    with pytest.raises(ModelBroken, match="copy that was written to MODELS_DIR"):
        deploy_candidate(store, "run2", judged, NOW, check=only_the_original)
    assert live() == before
    assert not [name for name in contents() if ".tmp-" in name]


def test_real_model_is_deployed_byte_for_byte_and_answers(store, candidate, model, samples):
    done = deploy_candidate(store, "run", candidate("run", model), NOW)

    assert done.changed
    assert store.read(MODEL) == model
    labels, _ = score(load_model(store.read(MODEL)), samples.features)
    assert len(labels) == len(samples)


def test_rollback_twice_is_back_where_it_was(store, deploy, live, contents):
    deploy("run1", b"one")
    first = live()
    deploy("run2", b"two", NOW + WEEK)
    second = live()
    back = roll_back(store, NOW + 2 * WEEK, check=anything)

    assert (back.run_id, back.changed) == ("run1", True)
    assert back.backup == f"backups/2026-12-06T021500Z_{sha256(b'two')[:8]}"
    model, metrics = live()
    assert model == first[0]
    told = json.loads(metrics)
    assert told.pop("rolled_back_from") == sha256(b"two")
    assert told == json.loads(first[1]) | {"deployed_at": "2026-12-06T02:15:00+00:00"}
    assert store.read(f"{back.backup}/{METRICS}") == second[1]

    again = roll_back(store, NOW + 3 * WEEK, check=anything)
    model, metrics = live()
    assert (again.run_id, model) == ("run2", b"two")
    assert json.loads(metrics)["rolled_back_from"] == sha256(b"one")
    # One backup a model: going back and forth does not push older ones out.
    assert sorted(name.rpartition("_")[2] for name in backup_names(store)) == sorted(
        sha256(m)[:8] for m in (b"one", b"two")
    )


def test_rollback_to_a_named_backup_takes_that_one(store, deploy):
    for number, week in enumerate((0, 1, 2)):
        deploy(f"run{number}", b"model %d" % number, NOW + week * WEEK)
    oldest, _ = backup_names(store)
    done = roll_back(store, NOW + 3 * WEEK, oldest, check=anything)

    assert done.run_id == "run0"
    assert store.read(MODEL) == b"model 0"
    assert roll_back(store, NOW + 4 * WEEK, oldest, check=anything).changed is False


def test_rollback_of_what_is_not_there_names_what_is(store, deploy, contents):
    with pytest.raises(ModelError, match=r"no backup to go back to.*deploy a second model"):
        roll_back(store, NOW)
    deploy("run1", b"one")
    deploy("run2", b"two")
    before = contents()
    (there,) = backup_names(store)

    with pytest.raises(ModelError, match=f"There is no backup x in .*choose one of: {there}"):
        roll_back(store, NOW, "x")
    assert contents() == before


def test_rollback_to_a_damaged_backup_leaves_production_alone(store, deploy, live):
    deploy("run1", b"one")
    deploy("run2", b"two")
    (name,) = backup_names(store)
    before = live()
    store.write(f"backups/{name}/{MODEL}", b"tampered")

    with pytest.raises(ModelBroken, match="which is not that of its name"):
        roll_back(store, NOW, check=anything)
    assert live() == before


def test_rollback_to_a_backup_that_does_not_open_leaves_production_alone(store, deploy, live):
    deploy("run1", b"one")
    deploy("run2", b"two")
    before = live()

    with pytest.raises(ModelBroken, match="onnxruntime cannot open"):
        roll_back(store, NOW)
    assert live() == before


def test_backups_deleted_by_hand_are_no_obstacle(store, deploy, live):
    deploy("run1", b"one")
    deploy("run2", b"two")
    for name in backup_names(store):
        store.remove_folder(f"backups/{name}")
    before = live()

    with pytest.raises(ModelError, match="no backup to go back to"):
        roll_back(store, NOW)
    assert live() == before
    assert deploy("run3", b"three", NOW + WEEK).backup.endswith(sha256(b"two")[:8])


def test_backup_whose_metrics_are_gone_comes_back_with_those_of_its_candidate(store, deploy):
    deploy("run1", b"one")
    deploy("run2", b"two")
    (name,) = backup_names(store)
    store.write(f"backups/{name}/{METRICS}", b"{")
    roll_back(store, NOW + WEEK, check=anything)

    assert read_production(store).metrics["run_id"] == "run1"


def test_stores_are_found_by_their_address(tmp_path, store):
    from ml.registry.models import open_store

    assert open_store(store) is store
    assert open_store(str(tmp_path)) == open_store(tmp_path) == Folder(tmp_path)
    assert open_store("memory://models").where("x") == "memory://models/x"
    for address in ("nowhere://models", "ftp://host/models"):
        with pytest.raises(ValueError, match="is none of s3, "):
            open_store(address)
