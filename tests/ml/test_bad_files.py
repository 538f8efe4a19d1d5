"""What lies in MODELS_DIR may be anything: damaged, a person's, a link, or on a strange disk."""

import errno
import fcntl
import json
import os
import random
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import pairwise

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.errors import ModelBroken, decoration
from ml.json_files import as_json, read_json, read_object
from ml.onnx_model import check_answers
from ml.registry.deployment import deploy_candidate, roll_back
from ml.registry.hold import release
from ml.registry.metrics_file import problems, read_metrics
from ml.registry.models import read_candidate, read_production, write_candidate
from ml.registry.names import LOCK, candidate_folder
from ml.registry.object_store import ObjectStore
from ml.registry.status import read_status, status_text
from ml.registry.store import Folder
from ml.report.models_page import models_page
from ml.report.pages import report_files
from tests.conftest import FULL
from tests.ml.mutations import all_tried
from tests.ml.report_example import example_metrics
from tests.ml.test_deployment import METRICS, MODEL, NOW, WEEK, anything, sha256
from tests.ml.test_storage import deploy

pytestmark = pytest.mark.slow


def changed(store, name, **fields):
    """Puts other values into a JSON file, also such as no JSON has."""
    content = json.loads(store.read(name)) | fields
    store.write(name, json.dumps(content).encode())


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_json_of_any_value_comes_in_as_json_that_can_go_out(value):
    found = read_json(json.dumps({"value": value}))
    assert read_json(as_json(found)) == found


@given(st.binary())
def test_json_of_any_bytes_is_an_object_or_nothing(content):
    assert read_object(content) is None or as_json(read_object(content))
    read_metrics(content)


@settings(deadline=None, max_examples=60 if FULL else 15)  # it draws a picture
@given(
    st.sampled_from(sorted(example_metrics())),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()),
)
def test_metrics_with_any_value_in_a_field_have_it_sound_or_not_at_all(name, value):
    metrics = example_metrics() | {name: value}
    metrics = read_object(json.dumps(metrics))
    found = read_metrics(json.dumps(metrics).encode())
    assert found == {key: found[key] for key in metrics if key in found}
    assert {name} >= set(example_metrics()) - set(found)
    assert name in found or name in problems(metrics)
    # Whatever is left can be shown.
    assert set(report_files(example_metrics() | found)) == {
        "report.txt",
        "report.html",
        "confusion_matrix.png",
    }


@pytest.mark.parametrize(
    "content", [b"\xff\xfe{", b"[" * 99_999, b'{"a": ' * 99_999, b"\x00", b"7"]
)
def test_file_that_is_no_json_object_is_none(content):
    assert read_object(content) is None


def test_rollback_over_metrics_with_nan_changes_model_and_metrics_together(store):
    deploy(store, "one", b"one")
    deploy(store, "two", b"two")
    changed(store, METRICS, test_accuracy=float("nan"), accuracy_interval=[float("-inf"), 1])
    for _ in range(3):
        roll_back(store, NOW + WEEK, check=anything)
        pair = read_production(store)
        assert pair.metrics["model_sha256"] == pair.sha256
        assert b"NaN" not in store.read(METRICS)
    release(store, NOW)
    assert deploy(store, "three", b"three").changed


def test_metrics_that_cannot_be_written_change_nothing(store, contents, monkeypatch):
    deploy(store, "one", b"one")
    deploy(store, "two", b"two")
    monkeypatch.setattr(
        "ml.registry.deployment.metrics_of_model",
        lambda *_: {"model_sha256": "x", "loss": float("nan")},
    )
    before = store.read(MODEL), store.read(METRICS)
    with pytest.raises(ValueError, match="not JSON compliant"):
        roll_back(store, NOW + WEEK, check=anything)
    assert (store.read(MODEL), store.read(METRICS)) == before


def test_metrics_that_name_no_model_are_mended_by_the_next_change(store):
    deploy(store, "one", b"one")
    changed(store, METRICS, model_sha256=7, test_accuracy="high")
    deploy(store, "two", b"two")
    roll_back(store, NOW + WEEK, check=anything)
    assert read_production(store).metrics["test_accuracy"] == example_metrics()["test_accuracy"]


def test_candidate_with_a_damaged_field_is_broken_and_the_field_is_named(store):
    deploy(store, "one", b"one")
    name = f"{candidate_folder('one')}/metrics.json"
    changed(store, name, holdout_start="yesterday", confusion_matrix=[[1]])
    with pytest.raises(ModelBroken, match="holdout_start, confusion_matrix"):
        read_candidate(store, "one")


def test_persons_own_folders_and_files_are_never_touched_nor_in_the_way(store, contents):
    own = {
        "backups/keep_me/model.onnx": b"mine",
        "backups/2026-11-22T021500Z_0a1b2c3d.old/x": b"mine",
        "backups/2026-99-99T999999Z_0a1b2c3d/x": b"mine",
        "candidates/keep-20261127/notes.txt": b"mine",
        "candidates/copy of a run/metrics.json": b"{}",
        "candidates/best-0a1b2c3d/metrics.json": as_json(example_metrics()),
        "notes.txt": b"mine",
        ".tmp-notes": b"mine",
    }
    for name, content in own.items():
        store.write(name, content)
    for number in range(14):
        deploy_candidate(
            store,
            f"run{number}",
            write_candidate(store, f"run{number}", _files(f"run{number}")).sha256,
            NOW + number * WEEK,
            check=anything,
        )
    roll_back(store, NOW + 20 * WEEK, check=anything)
    after = contents()
    assert {name: after[name] for name in own} == own
    ours = {name.split("/")[1] for name in after if name.startswith("candidates/run")}
    assert len(ours) == 10
    stamped = {name.split("/")[1] for name in after if name.startswith("backups/20")}
    assert len(stamped) == 10 + 2  # ours, and the two that only look so
    assert "keep_me" not in status_text(read_status(store), NOW)


def _files(run_id):
    model = run_id.encode()
    told = {"run_id": run_id, "model_sha256": sha256(model)}
    return {"model.onnx": model, "metrics.json": as_json(example_metrics() | told)}


def test_what_a_console_leaves_in_a_bucket_is_in_nobodys_way(s3):
    prefix = f"models/console-{random.random()}"
    store = ObjectStore(s3, prefix, f"s3://{prefix}")
    for name in ("backups/", "candidates/", "backups/notes.txt", "candidates/empty/"):
        s3.call_s3("put_object", Bucket="models", Key=f"{prefix}/{name}"[7:], Body=b"")
    for number in range(12):
        deploy(store, f"run{number}", f"model {number}".encode())
    roll_back(store, NOW + WEEK, check=anything)
    assert len(read_status(store).candidates) == 10
    s3.invalidate_cache()
    assert s3.exists(f"{prefix}/backups/notes.txt")


def test_candidate_of_a_run_that_was_killed_between_two_files_is_pruned(store):
    half = candidate_folder("killed")
    store.write(f"{half}/model.onnx", b"half")
    for number in range(12):
        write_candidate(store, f"run{number}", _files(f"run{number}"))
    assert half.partition("/")[2] not in store.folders("candidates")


@pytest.mark.parametrize("what", ["file", "folder", "production"])
def test_link_is_not_followed_and_nothing_outside_is_shown(tmp_path, what):
    outside, models = tmp_path / "outside", tmp_path / "models"
    outside.mkdir()
    (outside / "report.html").write_text("fernet_key = secret")
    store = Folder(models)
    deploy(store, "one", b"one")
    folder = models / candidate_folder("one")
    if what == "file":
        (folder / "report.html").unlink(missing_ok=True)
        (folder / "report.html").symlink_to(outside / "report.html")
    elif what == "folder":
        folder.rename(models / "candidates" / "moved")
        folder.symlink_to(outside)
    else:
        (models / MODEL).unlink()
        (models / MODEL).symlink_to(outside / "report.html")
    with pytest.raises(OSError, match="links are not followed") as caught:
        store.read(MODEL if what == "production" else f"{candidate_folder('one')}/report.html")
    assert "secret" not in str(caught.value)
    if what == "production":
        with pytest.raises(OSError, match="links are not followed"):
            store.digest(MODEL)
        return
    assert b"secret" not in models_page(store, NOW)
    deploy(store, "one", b"again")  # takes the name, and leaves what the link leads to
    assert (outside / "report.html").read_text() == "fernet_key = secret"


def test_pipe_or_folder_in_the_place_of_a_file_is_named_and_not_waited_for(tmp_path):
    store = Folder(tmp_path)
    os.mkfifo(tmp_path / METRICS)
    (tmp_path / "hold.json").mkdir()
    for name in (METRICS, "hold.json"):
        with pytest.raises(OSError, match=r"move that folder away|Is no file"):
            store.read(name)


def test_flipped_bit_in_the_metadata_is_a_broken_model_by_name(model):
    broken = model.replace(b"train_start", b"train\xffstart", 1)
    assert broken != model
    with pytest.raises(ModelBroken, match="production file is broken: onnxruntime cannot open"):
        check_answers(broken, "production file")


def test_digest_is_computed_once_however_many_look(tmp_path, monkeypatch):
    store, read = Folder(tmp_path), []
    deploy(store, "one", b"one")
    deploy(store, "two", b"two")
    original = Folder.read
    monkeypatch.setattr(
        Folder, "read", lambda self, name: (read.append(name), original(self, name))[1]
    )
    with ThreadPoolExecutor(20) as viewers:
        pages = list(viewers.map(lambda _: models_page(store, NOW), range(40)))
    assert len(set(pages)) == 1
    assert sorted(name for name in read if name.endswith(".onnx")) == sorted(
        [MODEL, f"backups/{store.folders('backups')[0]}/{MODEL}"]
    )
    (tmp_path / MODEL).write_bytes(b"xxx")
    assert b"Production is not sound" in models_page(store, NOW)


def test_digest_in_an_object_store_follows_the_object(s3):
    prefix = f"models/digest-{random.random()}"
    store = ObjectStore(s3, prefix, f"s3://{prefix}")
    found = []
    for content in (b"one", b"two", b"two"):
        store.write("file", content)
        found.append(store.digest("file"))
    assert (found[0] != found[1], found[1] == found[2]) == (True, True)
    assert store.digest("nothing") is None


def _failing(monkeypatch, name, error, when=lambda *_: True):
    original = getattr(os if name == "fsync" else fcntl, name)

    def fail(*given):
        if when(*given):
            raise OSError(error, os.strerror(error))
        return original(*given)

    monkeypatch.setattr(f"ml.registry.store.{'os' if name == 'fsync' else 'fcntl'}.{name}", fail)


def _is_folder(descriptor):
    return stat.S_ISDIR(os.fstat(descriptor).st_mode)


@pytest.mark.parametrize("error", [errno.EINVAL, errno.ENOTSUP])
def test_file_system_that_cannot_flush_a_folder_is_used_all_the_same(tmp_path, monkeypatch, error):
    _failing(monkeypatch, "fsync", error, _is_folder)
    assert deploy(tmp_path, "one", b"one").changed


def test_file_system_that_cannot_flush_a_file_is_refused(tmp_path, monkeypatch):
    _failing(monkeypatch, "fsync", errno.EIO)
    with pytest.raises(OSError, match="what to do"):
        deploy(tmp_path, "one", b"one")
    assert read_production(tmp_path) is None


def test_file_system_without_locks_is_named(tmp_path, monkeypatch):
    _failing(monkeypatch, "flock", errno.ENOLCK)
    with pytest.raises(OSError, match=r"has no locks .*; what to do: mount it with locks"):
        deploy(tmp_path, "one", b"one")


class Forgetful(MemoryFileSystem):
    """A store that ignores If-None-Match."""

    cachable = False

    def pipe_file(self, path, value, mode="overwrite", **options):
        super().pipe_file(path, value, **options)


def test_object_store_that_ignores_if_none_match_is_refused_with_words():
    place = f"/forgetful-{random.random()}"
    store = ObjectStore(Forgetful(), place, f"memory:/{place}")
    for _ in range(2):
        with pytest.raises(OSError, match=r"ignores If-None-Match.*what to do: use a store"):
            deploy(store, "one", b"one")
    assert store.read(LOCK) is None
    assert deploy(
        ObjectStore(fsspec.filesystem("memory"), f"{place}-b", f"memory:/{place}-b"), "one", b"one"
    ).changed


def test_lock_of_an_object_store_that_says_nothing_readable_ends(s3):
    prefix = f"models/lock-{random.random()}"
    store = ObjectStore(s3, prefix, f"s3://{prefix}")
    store.write(LOCK, b"\xff[")
    assert deploy(store, "one", b"one").changed


def test_decoration_that_fails_is_told_and_left_out(monkeypatch, caplog):
    def broken(_metrics):
        raise RuntimeError("no paint")

    monkeypatch.setattr("ml.report.pages.confusion_matrix_png", broken)
    assert set(report_files(example_metrics())) == {"report.txt", "report.html"}
    assert "confusion_matrix.png is left out" in caplog.text
    with decoration("This"):
        raise KeyError("x")
    assert "This is left out" in caplog.text


def test_plain_rollback_passes_over_a_broken_backup_and_says_so(store, caplog):
    for name in ("one", "two", "three"):
        deploy(store, name, name.encode())
    newest = sorted(store.folders("backups"))[-1]
    store.write(f"backups/{newest}/{MODEL}", b"rotten")
    roll_back(store, NOW + WEEK, check=anything)
    assert read_production(store).model == b"one"
    assert f"backup {newest} is broken" in caplog.text
    with pytest.raises(ModelBroken, match="choose another"):
        roll_back(store, NOW + WEEK, newest, check=anything)


def test_backups_made_within_a_second_keep_their_order(store):
    for number in range(5):
        deploy(store, f"run{number}", f"{number}".encode())
    names = sorted(store.folders("backups"))
    stamps = [datetime.strptime(f"{name[:17]}+0000", "%Y-%m-%dT%H%M%S%z") for name in names]
    assert all(later - earlier >= timedelta(seconds=1) for earlier, later in pairwise(stamps))


@pytest.mark.full
def test_files_damaged_at_random_are_read_mended_or_named_by_all(tmp_path):
    found = all_tried(2, tmp_path, workers=1)
    assert {what for _, _, what in found} <= {"done", "named"}, found
