"""Candidates are kept whole, found again, and pruned to the newest ten."""

import hashlib
import os

import pytest

from ml.errors import ModelBroken
from ml.json_files import as_json
from ml.registry.models import read_candidate, read_production, update_candidate, write_candidate
from ml.registry.names import candidate_folder
from tests.ml.report_example import example_metrics


def files(model=b"model", **metrics):
    told = {"model_sha256": hashlib.sha256(model).hexdigest(), **metrics}
    return {
        "model.onnx": model,
        "metrics.json": as_json(example_metrics() | told),
        "report.txt": b"report",
    }


def test_candidate_written_is_read_back(store):
    written = write_candidate(store, "run 1", files(note="é"))

    assert written == read_candidate(store, "run 1")
    assert written.model == b"model"
    assert written.metrics["note"] == "é"
    assert store.read(f"{written.folder}/report.txt") == b"report"


@pytest.mark.parametrize(
    "run_id",
    [
        "scheduled__2026-11-22T02:00:00+00:00",
        "../../etc/passwd",
        "..",
        "",
        "a/b",
        "x" * 300,
        "läuft\n",
    ],
)
def test_candidate_folder_of_any_run_id_is_one_safe_folder(store, run_id):
    write_candidate(store, run_id, files())
    (found,) = store.folders("candidates")

    assert f"candidates/{found}" == candidate_folder(run_id)
    assert read_candidate(store, run_id).model == b"model"


def test_candidate_folders_of_runs_that_look_alike_differ():
    assert candidate_folder("a:b") != candidate_folder("a+b")


def test_candidate_of_a_retry_replaces_the_earlier_attempt_whole(store, contents):
    write_candidate(store, "run", files() | {"plot.png": b"old"})
    write_candidate(store, "run", files(b"second"))

    names = [name.rpartition("/")[2] for name in contents()]
    assert names == ["metrics.json", "model.onnx", "report.txt"]
    assert read_candidate(store, "run").model == b"second"


def test_candidates_of_every_store_are_pruned_to_ten(store):
    for number in range(12):
        write_candidate(store, f"run{number}", files(run_id=f"run{number}"))

    assert len(store.folders("candidates")) == 10
    assert read_candidate(store, "run11").model == b"model"


def test_candidates_are_pruned_to_the_newest_ten(tmp_path):
    for number in range(10):
        candidate = write_candidate(tmp_path, f"run{number}", files(run_id=f"run{number}"))
        os.utime(tmp_path / candidate.folder, (1000 + number, 1000 + number))
    for number in (10, 11):
        candidate = write_candidate(tmp_path, f"run{number}", files(run_id=f"run{number}"))

    left = {path.name for path in (tmp_path / "candidates").iterdir()}
    assert left == {candidate_folder(f"run{n}").split("/")[1] for n in range(2, 12)}


def test_candidate_just_written_is_never_pruned_even_with_an_old_clock(tmp_path):
    for number in range(10):
        candidate = write_candidate(tmp_path, f"run{number}", files(run_id=f"run{number}"))
        os.utime(tmp_path / candidate.folder, (4e9 + number, 4e9 + number))

    assert write_candidate(tmp_path, "new", files()).model == b"model"
    assert len(list((tmp_path / "candidates").iterdir())) == 10


def test_candidate_that_is_missing_is_reported(store):
    with pytest.raises(ModelBroken, match="clear the run from train_model on"):
        read_candidate(store, "run")


def test_candidate_tampered_with_is_reported(store):
    candidate = write_candidate(store, "run", files())
    store.write(f"{candidate.folder}/model.onnx", b"other")

    with pytest.raises(ModelBroken, match="its SHA-256 is"):
        read_candidate(store, "run")


@pytest.mark.parametrize("name", ["model.onnx", "metrics.json"])
def test_candidate_cut_short_is_reported(store, name):
    candidate = write_candidate(store, "run", files(b"a model of some length"))
    whole = store.read(f"{candidate.folder}/{name}")
    store.write(f"{candidate.folder}/{name}", whole[: len(whole) // 2])

    with pytest.raises(ModelBroken, match=r"its SHA-256 is|missing or unreadable"):
        read_candidate(store, "run")


def test_candidate_updated_keeps_its_other_files(store):
    write_candidate(store, "run", files())
    update_candidate(store, "run", {"report.txt": b"verdict"})

    candidate = read_candidate(store, "run")
    assert store.read(f"{candidate.folder}/report.txt") == b"verdict"


def test_models_dir_that_is_a_file_is_an_oserror_that_says_what_to_do(tmp_path):
    (tmp_path / "models").write_text("I am a file")

    with pytest.raises(OSError, match="see that MODELS_DIR is a folder"):
        write_candidate(tmp_path / "models", "run", files())
    with pytest.raises(OSError, match="see that MODELS_DIR is a folder"):
        read_production(tmp_path / "models")


def test_models_dir_that_is_read_only_is_an_oserror_that_says_what_to_do(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere; run the tests as another user")
    tmp_path.chmod(0o500)

    with pytest.raises(PermissionError, match="see that MODELS_DIR is a folder"):
        write_candidate(tmp_path, "run", files())


def test_production_of_an_empty_store_is_none(store):
    assert read_production(store) is None


@pytest.mark.parametrize("content", [None, b"{", b"[1]", b'{"model_sha256": "of another"}'])
def test_production_without_metrics_of_its_own_has_none(store, content):
    store.write("regime_detector.onnx", b"model")
    if content is not None:
        store.write("regime_detector_metrics.json", content)

    production = read_production(store)
    assert production.metrics is None
    assert production.sha256 == hashlib.sha256(b"model").hexdigest()


def test_metrics_with_nan_are_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        as_json({"accuracy": float("nan")})
