"""Folder and object store keep their promises when disks, processes and networks fail."""

import errno
import fcntl
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import pytest

from ml.errors import ModelBroken
from ml.json_files import as_json
from ml.registry.deployment import deploy_candidate
from ml.registry.models import read_production, write_candidate
from ml.registry.object_store import ObjectStore
from ml.registry.store import LOCK, Folder
from tests.conftest import FULL
from tests.ml.report_example import example_metrics
from tests.ml.test_deployment import anything, sha256

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parent.parent.parent
NOW = datetime(2026, 11, 22, 2, 15, tzinfo=UTC)


def write(models_dir, run_id, model):
    metrics = as_json(example_metrics() | {"model_sha256": sha256(model), "run_id": run_id})
    return write_candidate(models_dir, run_id, {"model.onnx": model, "metrics.json": metrics})


def deploy(models_dir, run_id, model, check=anything):
    write(models_dir, run_id, model)
    return deploy_candidate(models_dir, run_id, sha256(model), NOW, check=check)


def in_a_child(work):
    """Runs work in a fork and gives what it raised, as text; '' if nothing."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            work()
            told = ""
        except Exception as error:  # noqa: BLE001 - the parent looks at it
            told = f"{type(error).__name__}: {error}"
        os.write(writing, told.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return told


@pytest.fixture
def open_folder():
    """A folder that an ordinary user may reach, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="models-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_killed_changes_leave_a_model_that_answers_and_a_pair_that_is_mended(tmp_path, capsys):
    """Killed at points where a change touches MODELS_DIR, and at random moments besides."""
    step = 1 if FULL else 4
    models, moments = str(tmp_path / "models"), str(40 // step)
    done = subprocess.run(
        [sys.executable, "-m", "tests.ml.killed_changes", models, moments, str(step)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    figures = json.loads(done.stdout)
    with capsys.disabled():
        sys.stdout.write(f"\n{figures}\n")

    assert figures["failures"] == []
    assert figures["loads"] > 100 / step
    assert figures["points"] > 30 / step
    assert figures["killed at points"] > 60 / step
    assert figures["pairs found torn"] > 0


def test_disk_that_fills_up_leaves_production_alone(tmp_path):
    deploy(tmp_path, "one", b"1" * 1_000)

    def on_a_full_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        deploy(tmp_path, "two", b"2" * 400_000)

    told = in_a_child(on_a_full_disk)
    assert "see that MODELS_DIR is a folder this process may write to, with space left" in told
    assert read_production(tmp_path).model == b"1" * 1_000
    assert not list(tmp_path.rglob(".tmp-*"))


def test_disk_that_fills_up_between_the_writes_is_finished_by_a_retry(tmp_path):
    """The model fits, and its metrics do not."""
    deploy(tmp_path, "one", b"1" * 10)
    with pytest.raises(OSError, match="No space"):
        deploy_with_metrics_that_do_not_fit(tmp_path)
    assert read_production(tmp_path).sha256 == sha256(b"2" * 10)
    assert read_production(tmp_path).metrics is None
    again = deploy_candidate(tmp_path, "two", sha256(b"2" * 10), NOW, check=anything)

    assert not again.changed
    assert read_production(tmp_path).metrics["run_id"] == "two"


def deploy_with_metrics_that_do_not_fit(folder):
    class Full(Folder):
        def write(self, name, content, check=None):
            if name == "regime_detector_metrics.json":
                raise OSError(errno.ENOSPC, "No space left on device", name)
            super().write(name, content, check)

    deploy(Full(folder), "two", b"2" * 10)


@pytest.mark.skipif(os.geteuid() != 0, reason="run as root, which can mount a small disk")
def test_small_disk_leaves_production_alone(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        deploy(disk, "one", b"1" * 100_000)
        with pytest.raises(OSError, match="what to do: see that MODELS_DIR"):
            deploy(disk, "two", os.urandom(2_500_000))
        assert read_production(disk).metrics["run_id"] == "one"
        assert not list(disk.rglob(".tmp-*"))
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="run as root, which can become another user")
def test_folder_of_another_owner_is_refused_and_left_alone(open_folder):
    deploy(open_folder, "one", b"one")
    before = {path: path.read_bytes() for path in open_folder.rglob("*") if path.is_file()}

    def as_nobody():
        os.setgid(65534)
        os.setuid(65534)
        deploy(open_folder, "two", b"two")

    told = in_a_child(as_nobody)
    assert told.startswith("PermissionError")
    assert "see that MODELS_DIR is a folder this process may write to" in told
    assert {path: path.read_bytes() for path in open_folder.rglob("*") if path.is_file()} == before


def test_two_deployers_at_once_come_one_after_the_other(tmp_path):
    for number in range(6):
        model = b"model %d" % number
        metrics = as_json(
            example_metrics() | {"model_sha256": sha256(model), "run_id": f"{number}"}
        )
        write_candidate(tmp_path, str(number), {"model.onnx": model, "metrics.json": metrics})

    def deploys(numbers):
        for number in numbers:
            digest = sha256(b"model %d" % number)
            deploy_candidate(tmp_path, str(number), digest, NOW, check=anything)

    children = []
    for numbers in (range(3), range(3, 6)):
        child = os.fork()
        if not child:
            code = 1
            try:
                deploys(numbers)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]

    live = read_production(tmp_path)
    assert live.metrics["model_sha256"] == live.sha256
    kept = {path.name[-8:] for path in (tmp_path / "backups").iterdir()}
    assert kept | {live.sha256[:8]} == {sha256(b"model %d" % n)[:8] for n in range(6)}


def test_deployer_that_waits_too_long_is_told_who_holds_the_lock(tmp_path, monkeypatch):
    monkeypatch.setattr("ml.registry.store.LOCK_SECONDS", 0.3)
    ready, done = tmp_path / "ready", tmp_path / "done"
    holder = os.fork()
    if not holder:
        with Folder(tmp_path).locked():
            ready.touch()
            while not done.exists():
                time.sleep(0.01)
        os._exit(0)
    while not ready.exists():
        time.sleep(0.01)
    try:
        with pytest.raises(TimeoutError, match=rf"process {holder} on .* is changing the models"):
            deploy(tmp_path, "one", b"one")
    finally:
        done.touch()
        os.waitpid(holder, 0)
    assert deploy(tmp_path, "one", b"one").changed


def test_lock_of_a_killed_process_is_free(tmp_path):
    child = os.fork()
    if not child:
        with Folder(tmp_path).locked():
            os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    start = time.monotonic()

    assert deploy(tmp_path, "one", b"one").changed
    assert time.monotonic() - start < 5


def test_production_file_is_readable_like_any_other_file(tmp_path):
    deploy(tmp_path, "run1", b"one")
    (tmp_path / "ordinary").write_bytes(b"")

    mode = (tmp_path / "regime_detector.onnx").stat().st_mode
    assert mode == (tmp_path / "ordinary").stat().st_mode


def test_files_and_their_folder_are_flushed_to_the_disk(tmp_path, monkeypatch):
    flushed, fsync = [], os.fsync

    def spy(descriptor):
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    monkeypatch.setattr("ml.registry.store.os.fsync", spy)
    deploy(tmp_path, "run1", b"one")

    assert flushed.count(tmp_path) == 2
    names = [path.name for path in flushed if path.parent == tmp_path]
    assert [name.rsplit("-", 1)[0] for name in names if name.startswith(".tmp")] == [
        ".tmp-regime_detector.onnx",
        ".tmp-regime_detector_metrics.json",
    ]


@pytest.fixture
def bucket(s3):
    """A prefix of its own in the S3 server's bucket."""
    prefix = f"models/{time.monotonic_ns()}"
    return ObjectStore(s3, prefix, f"s3://{prefix}")


def test_lock_in_an_object_store_keeps_others_out_and_names_the_holder(bucket, monkeypatch):
    monkeypatch.setattr("ml.registry.store.LOCK_SECONDS", 0.3)
    with bucket.locked(), pytest.raises(TimeoutError, match=f"process {os.getpid()} on"):
        deploy(bucket, "one", b"one")
    assert bucket.read(LOCK) is None
    assert deploy(bucket, "one", b"one").changed


def test_lock_in_an_object_store_of_a_killed_process_ends_in_time(bucket):
    ended = datetime.now(UTC) - timedelta(seconds=1)
    lease = {"owner": "x", "holder": "process 1 on x", "until": ended.isoformat()}
    bucket.write(LOCK, json.dumps(lease).encode())

    assert deploy(bucket, "one", b"one").changed
    assert bucket.read(LOCK) is None


def test_object_store_sweeps_what_a_killed_process_left(bucket):
    bucket.write(".tmp-12345678", b"half")
    deploy(bucket, "one", b"one")

    assert not [path for path in bucket.fs.find(bucket.root) if ".tmp-" in path]


def test_missing_bucket_is_told_and_is_no_empty_store(s3):
    store = ObjectStore(s3, "no-such-bucket/models", "s3://no-such-bucket/models")

    with pytest.raises(OSError, match="there is no bucket no-such-bucket; what to do"):
        read_production(store)
    with pytest.raises(OSError, match="see that MODELS_DIR names a bucket that exists"):
        deploy(store, "one", b"one")


def test_endpoint_that_does_not_answer_is_an_oserror():
    fs = fsspec.filesystem(
        "s3",
        key="key",
        secret="hidden-secret",
        endpoint_url="http://127.0.0.1:9",
        config_kwargs={"retries": {"max_attempts": 1}, "connect_timeout": 2},
    )
    store = ObjectStore(fs, "models/x", "s3://models/x")

    with pytest.raises(OSError, match="Could not connect to the endpoint") as caught:
        read_production(store)
    assert "hidden-secret" not in str(caught.value)


def test_lock_file_of_a_folder_is_empty_when_nobody_holds_it(tmp_path):
    with pytest.raises(ModelBroken):
        deploy_candidate(tmp_path, "nobody's", "0" * 64, NOW)
    with (tmp_path / LOCK).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert lock.read() == b""


def test_copy_that_was_damaged_on_the_way_never_takes_the_name(tmp_path):
    """A disk that gives back other bytes than it was given."""

    class Rotten(Folder):
        def write(self, name, content, check=None):
            damaged = content[:-1] + b"X" if check else content
            super().write(name, damaged, check)

    deploy(tmp_path, "one", b"one")
    with pytest.raises(ModelBroken, match="copy that was written to MODELS_DIR"):
        deploy(Rotten(tmp_path), "two", b"two")
    assert read_production(tmp_path).model == b"one"
