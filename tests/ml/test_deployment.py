"""Deploying keeps the former pair, can be repeated, and refuses what was not judged."""

import hashlib
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ml.deployment import deploy_candidate
from ml.errors import ModelBroken
from ml.onnx_export import export_forest
from ml.registry import as_json, read_production, write_candidate

NOW = datetime(2026, 11, 22, 2, 15, tzinfo=UTC)


@pytest.fixture
def candidate(tmp_path):
    """Writes a candidate and returns its digest."""

    def write(run_id, model):
        sha256 = hashlib.sha256(model).hexdigest()
        metrics = as_json({"model_sha256": sha256, "run_id": run_id, "deployed_at": None})
        write_candidate(tmp_path, run_id, {"model.onnx": model, "metrics.json": metrics})
        return sha256

    return write


@pytest.fixture
def deploy(tmp_path, candidate):
    """Writes and deploys a candidate whose file is not looked into."""

    def run(run_id, model, at=NOW):
        sha256 = candidate(run_id, model)
        return deploy_candidate(tmp_path, run_id, sha256, at, check=lambda _model, _name: None)

    return run


def backups(tmp_path):
    folder = tmp_path / "backups"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def production(tmp_path):
    return {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}


def test_first_deployment_writes_the_pair_and_no_backup(tmp_path, deploy):
    done = deploy("run1", b"one")

    assert (done.changed, done.backup) == (True, None)
    assert (tmp_path / "regime_detector.onnx").read_bytes() == b"one"
    metrics = json.loads((tmp_path / "regime_detector_metrics.json").read_text())
    assert metrics["deployed_at"] == done.deployed_at == "2026-11-22T02:15:00+00:00"
    assert metrics["model_sha256"] == done.sha256
    assert sorted(production(tmp_path)) == ["regime_detector.onnx", "regime_detector_metrics.json"]


def test_second_deployment_keeps_the_former_pair(tmp_path, deploy):
    first = deploy("run1", b"one")
    former = production(tmp_path)
    second = deploy("run2", b"two", NOW + timedelta(days=7))

    assert (tmp_path / "regime_detector.onnx").read_bytes() == b"two"
    assert second.backup == f"backups/2026-11-29T021500Z_{first.sha256[:8]}"
    kept = {path.name: path.read_bytes() for path in (tmp_path / second.backup).iterdir()}
    assert kept == former


def test_deployment_repeated_changes_nothing(tmp_path, deploy):
    deploy("run1", b"one")
    deploy("run2", b"two")
    before = production(tmp_path), backups(tmp_path)
    again = deploy("run2", b"two", NOW + timedelta(hours=1))

    assert not again.changed
    assert again.deployed_at == "2026-11-22T02:15:00+00:00"
    assert (production(tmp_path), backups(tmp_path)) == before


def test_deployment_stopped_after_the_model_is_finished_by_a_retry(tmp_path, deploy):
    deploy("run1", b"one")
    (tmp_path / "regime_detector.onnx").write_bytes(b"two")
    done = deploy("run2", b"two")

    assert not done.changed
    assert read_production(tmp_path).metrics["run_id"] == "run2"
    assert backups(tmp_path) == []


def test_deployment_stopped_after_the_backup_makes_no_second_one(tmp_path, deploy, candidate):
    first = deploy("run1", b"one")
    folder = tmp_path / "backups" / f"2026-11-29T020000Z_{first.sha256[:8]}"
    folder.mkdir(parents=True)
    (folder / "regime_detector.onnx").write_bytes(b"one")
    done = deploy("run2", b"two", NOW + timedelta(days=8))

    assert done.backup == f"backups/{folder.name}"
    assert backups(tmp_path) == [folder.name]


def test_backups_are_pruned_to_the_newest_ten(tmp_path, deploy):
    for day in range(13):
        deploy(f"run{day}", b"model %d" % day, NOW + timedelta(days=day))

    kept = backups(tmp_path)
    assert len(kept) == 10
    assert kept[0].startswith("2026-11-25")
    assert kept[-1].startswith("2026-12-04")


def test_candidate_changed_after_the_verdict_is_refused(tmp_path, deploy, candidate):
    deploy("run1", b"one")
    before = production(tmp_path)
    judged = candidate("run2", b"two")
    candidate("run2", b"another")

    with pytest.raises(ModelBroken, match="is expected"):
        deploy_candidate(tmp_path, "run2", judged, NOW)
    assert production(tmp_path) == before


@pytest.mark.parametrize("model", [b"garbage", b""])
def test_candidate_that_does_not_open_leaves_production_alone(tmp_path, deploy, candidate, model):
    deploy("run1", b"one")
    before = production(tmp_path), backups(tmp_path)
    sha256 = candidate("run2", model)

    with pytest.raises(ModelBroken, match="onnxruntime cannot open"):
        deploy_candidate(tmp_path, "run2", sha256, NOW)
    assert (production(tmp_path), backups(tmp_path)) == before


def test_missing_candidate_leaves_production_alone(tmp_path, deploy):
    deploy("run1", b"one")
    before = production(tmp_path)

    with pytest.raises(ModelBroken, match="candidate of run run9"):
        deploy_candidate(tmp_path, "run9", "0" * 64, NOW)
    assert production(tmp_path) == before


def test_real_model_is_deployed_byte_for_byte(tmp_path, candidate, forest):
    model = export_forest(forest, {"a": "b"})
    done = deploy_candidate(tmp_path, "run", candidate("run", model), NOW)

    assert done.changed
    assert (tmp_path / "regime_detector.onnx").read_bytes() == model


def test_write_that_fails_leaves_the_old_model_and_no_rest(tmp_path, deploy, monkeypatch):
    deploy("run1", b"one")

    def full_disk(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ml.storage.os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left on device; what to do") as caught:
        deploy("run2", b"two")

    assert caught.value.errno == 28
    monkeypatch.undo()
    assert (tmp_path / "regime_detector.onnx").read_bytes() == b"one"
    assert not list(tmp_path.rglob(".tmp-*"))


def test_production_file_is_readable_like_any_other_file(tmp_path, deploy):
    deploy("run1", b"one")
    (tmp_path / "ordinary").write_bytes(b"")

    mode = (tmp_path / "regime_detector.onnx").stat().st_mode
    assert mode == (tmp_path / "ordinary").stat().st_mode


def test_files_and_their_folder_are_flushed_to_the_disk(tmp_path, deploy, monkeypatch):
    flushed, fsync = [], os.fsync

    def spy(descriptor):
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    monkeypatch.setattr("ml.storage.os.fsync", spy)
    deploy("run1", b"one")

    assert flushed.count(tmp_path) == 2
    names = [path.name for path in flushed if path.parent == tmp_path]
    assert [name.rsplit("-", 1)[0] for name in names if name.startswith(".tmp")] == [
        ".tmp-regime_detector.onnx",
        ".tmp-regime_detector_metrics.json",
    ]
