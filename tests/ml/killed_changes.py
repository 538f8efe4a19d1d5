"""Deploys and rolls back in processes that are killed, while the application reads all the time.

    python -m tests.ml.killed_changes FOLDER RANDOM_KILLS [STEP]

STEP 4 takes a quarter of the points.

Runs in a process of its own, so that forking it is cheap and safe. Prints the figures as JSON.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from ml.json_files import as_json
from ml.registry.deployment import deploy_candidate, roll_back
from ml.registry.models import (
    Production,
    backup_names,
    open_store,
    read_production,
    write_candidate,
)
from ml.report.pages import report_pages
from ml.training.export import export_forest
from ml.training.forest import TrainingOptions, fit_forest
from tests.ml.report_example import example_metrics

START = datetime(2026, 11, 22, tzinfo=UTC)
RUNS = ("a", "b", "c")


def small_forest(seed: int) -> tuple[Pipeline, NDArray[np.float32]]:
    """A forest of three trees, and the rows it has seen."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(100, 22)).astype("f4"), rng.integers(0, 7, 100).astype("u1")
    return fit_forest(X, y, TrainingOptions(trees=3, seed=seed, n_jobs=1)), X


def write_candidates(folder: Path) -> dict[str, str]:
    """Three candidates with small forests; gives their digests by run."""
    found = {}
    for seed, run in enumerate(RUNS):
        model = export_forest(small_forest(seed)[0])
        sha256 = Production.of(model).sha256
        metrics = as_json(example_metrics() | {"model_sha256": sha256, "run_id": run})
        found[run] = write_candidate(
            folder, run, {"model.onnx": model, "metrics.json": metrics}
        ).sha256
    return found


def read_all_the_time(folder: Path, stop: Path, told: Path) -> None:
    """The application: opens the file and asks it for one row, again and again."""
    row, loads, failures = np.ones((1, 22)), 0, []
    while not stop.exists():
        try:
            content = (folder / "regime_detector.onnx").read_bytes()
            session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
            label, probabilities = session.run(["output", "probabilities"], {"input": row})
            assert label.shape == (1,) and abs(probabilities.sum() - 1) < 1e-9
            loads += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, the application would be down
            failures.append(repr(error)[:200])
    told.write_text(json.dumps({"loads": loads, "failures": failures}))


def forked(work: Callable[[], object]) -> int:
    """Runs work in a child; gives the signal that ended it, 0 if it came to its end."""
    child = os.fork()
    if not child:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "a change failed"
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def killed_at_event(folder: Path, number: int, work: Callable[[], object]) -> Callable[[], None]:
    """The same work, killed when it touches the folder for the n-th time."""
    seen = 0

    def count() -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, given: tuple) -> None:
        if event.startswith(("open", "os.", "shutil.", "fcntl.")):
            paths = (str(part) for part in given if isinstance(part, str | Path))
            if event.startswith("fcntl") or any(path.startswith(str(folder)) for path in paths):
                count()

    def run() -> None:
        # These three tell no audit hook.
        for name in ("fsync", "pwrite", "ftruncate"):
            real = getattr(os, name)
            setattr(os, name, lambda *given, _real=real: (count(), _real(*given))[1])
        sys.addaudithook(hook)
        work()

    return run


def killed_after(seconds: float, work: Callable[[], object]) -> Callable[[], None]:
    """The same work, killed after some time."""

    def run() -> None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        work()

    return run


class Changes:
    """A row of changes, each first killed and then done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shas = write_candidates(folder)
        self.number = 0
        self.killed = self.torn = 0

    def next(self, kill: Callable[[Callable[[], object]], Callable[[], None]]) -> bool:
        """Kills one change and then does it; says whether it was killed before its end."""
        self.number += 1
        now = START + timedelta(minutes=self.number)
        run = RUNS[self.number % 3]
        back = self.number % 4 == 0

        def work() -> None:
            if back:
                roll_back(self.folder, now)
            else:
                deploy_candidate(
                    self.folder, run, self.shas[run], now, approved_at=now, pages=report_pages
                )

        was_killed = bool(forked(kill(work)))
        self.killed += was_killed
        found = read_production(self.folder)
        self.torn += bool(found and found.metrics is None)
        before = found.sha256 if found else None
        assert forked(work) == 0
        self._require_whole(before, self.shas[run], back)
        return was_killed

    def _require_whole(self, before: str | None, wanted: str, back: bool) -> None:
        store = open_store(self.folder)
        live = read_production(store)
        assert live is not None and live.metrics is not None, "the pair is torn"
        assert live.metrics["model_sha256"] == live.sha256
        assert back or live.sha256 == wanted
        names = backup_names(store)
        for name in names:
            kept = (self.folder / "backups" / name / "regime_detector.onnx").read_bytes()
            assert name.endswith(Production.of(kept).sha256[:8])
        # The model that was in production is live still, or is kept.
        held = {live.sha256[:8], *(name[-8:] for name in names)}
        assert before is None or before[:8] in held, "a model was lost"
        left = [path for path in self.folder.rglob(".*") if path.name != ".lock"]
        assert not left, f"left behind: {left}"


def main(folder: Path, random_kills: int, step: int = 1) -> None:
    report_pages(example_metrics())  # once, so that not every child compiles the template
    changes = Changes(folder)
    for run in RUNS:
        deploy_candidate(folder, run, changes.shas[run], START)
    stop, told = folder.parent / "stop", folder.parent / "told"
    reader = os.fork()
    if not reader:
        read_all_the_time(folder, stop, told)
        os._exit(0)
    start = time.monotonic()
    events, tries = 0, 0
    # Deployments and rollbacks touch the folder at different places, so each point is met by both.
    while tries < 5:
        events += step
        kill = partial(killed_at_event, folder, events)
        hit = [changes.next(kill) for _ in range(4)]
        tries = 0 if any(hit) else tries + 1
    at_events = changes.killed
    rng = random.Random(1)
    done = time.monotonic()
    typical = (done - start) / max(1, changes.number) / 2
    for _ in range(random_kills):
        changes.next(lambda work: killed_after(rng.uniform(0.0005, typical), work))
    stop.touch()
    os.waitpid(reader, 0)
    figures = {
        "points": events // step - tries,
        "killed at points": at_events,
        "killed at random moments": changes.killed - at_events,
        "pairs found torn": changes.torn,
        "seconds": round(time.monotonic() - start, 1),
        **json.loads(told.read_text()),
    }
    sys.stdout.write(json.dumps(figures))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
