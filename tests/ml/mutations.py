"""Damages the files of MODELS_DIR at random, and looks what comes of it in whatever reads them.

    python -m tests.ml.mutations 500 [FILE]

Of each file so many copies are damaged; each is read by everything that reads it, in a folder of
its own. Prints a table, and what should not have been. Ends with 1 if there is any of that.
"""

import itertools
import json
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from tabulate import tabulate

from ml.data.samples import Samples
from ml.errors import ModelError
from ml.evaluation.promotion import PromotionThresholds
from ml.evaluation.validation import judge_candidate, odd_place
from ml.onnx_model import check_answers
from ml.registry.deployment import deploy_candidate, roll_back
from ml.registry.hold import release
from ml.registry.models import open_store, read_history, read_production, write_candidate
from ml.registry.names import candidate_folder
from ml.registry.status import read_status, status_text
from ml.report.models_page import models_page
from ml.training.candidate import build_candidate
from ml.training.forest import TrainingOptions
from ml.training.metrics import Provenance
from tests.ml.conftest import EMBARGO, _samples

START = datetime(2026, 11, 22, tzinfo=UTC)
RUNS = ("a", "b", "c")
ODD_VALUES = (
    *("NaN", "-Infinity", "1e999", str(10**400), "-1", "0.5", "true", "null", '""', '"x"', "[]"),
    *("{}", "[[[]]]", '"\\ud800"', '"\\u202e\\u001b[31m\\n"', '"yesterday"', '{"a": NaN}', "[NaN]"),
    *('"2026-W47-7"', '"9999-12-31T23:59:59-14:00"', '"0001-01-01"'),
    "[" * 5_000 + "]" * 5_000,
)


@dataclass
class World:
    """A sound MODELS_DIR: b is in production, a is its backup and was put back once, c is new."""

    folder: Path
    samples: Samples
    sha256: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number, run in enumerate(RUNS):
            provenance = Provenance(run, "x.y", "f" * 32, START)
            options = TrainingOptions(
                trees=3, max_depth=4, cv_folds=2, cv_trees=2, n_jobs=1, seed=number
            )
            built = build_candidate(self.samples, options, 0.2, EMBARGO, provenance)
            self.sha256[run] = built.sha256
            write_candidate(self.folder, run, built.files())
            self.judge(self.folder, run)
        self.deploy(self.folder, "a", 1)
        self.deploy(self.folder, "b", 2)
        roll_back(self.folder, START + timedelta(minutes=3), why="tried")
        self.deploy(self.folder, "b", 4)
        (self.folder / "history.json").write_text(
            json.dumps([{"run_id": "gone", "test_accuracy": 0.7, "trained_at": START.isoformat()}])
        )

    def judge(self, folder: Path, run: str = "c") -> None:
        asked = PromotionThresholds(0.1, 0.0, None, 1, 1, "ask")
        judge_candidate(folder, run, self.samples, asked)

    def deploy(self, folder: Path, run: str = "c", minute: int = 60) -> None:
        now = START + timedelta(minutes=minute)
        deploy_candidate(folder, run, self.sha256[run], now, approved_at=now)

    def files(self) -> list[str]:
        found = (str(f.relative_to(self.folder)) for f in self.folder.rglob("*") if f.is_file())
        return sorted(name for name in found if not name.endswith(".png"))


def damaged(content: bytes, dice: random.Random) -> bytes:
    """Content with a flipped bit, an end cut off, other bytes, or another value in its JSON."""
    kinds: list[Callable[[], bytes]] = [
        lambda: _flipped(content, dice),
        lambda: content[: dice.randrange(len(content) + 1)],
        lambda: _spliced(content, dice.randbytes(dice.choice((1, 8, 400))), dice),
        lambda: dice.choice((b"", b"\x00" * 99, b"\xff\xfe{", b"{}", b"[]", b"null", b"7", b'"x"')),
        lambda: content.decode("latin-1").encode("utf-16"),
    ]
    if content[:1] in {b"{", b"["}:
        return dice.choice([*kinds, *[lambda: _revalued(content, dice)] * 8])()
    return dice.choice(kinds)()


def _flipped(content: bytes, dice: random.Random) -> bytes:
    changed = bytearray(content or b" ")
    changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def _spliced(content: bytes, piece: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(content) + 1)
    return content[:at] + piece + content[at + dice.randrange(len(piece) + 1) :]


def _revalued(content: bytes, dice: random.Random) -> bytes:
    """A value anywhere in the JSON, or a whole branch of it, becomes an odd one, or goes away."""
    value = json.loads(content)
    places: list[tuple[Any, Any]] = list(_places(value))
    if not places:
        return content
    inside, key = dice.choice(places)
    if dice.random() < 0.15:
        del inside[key]
        return json.dumps(value).encode()
    inside[key] = "\x00here"
    return json.dumps(value).replace('"\\u0000here"', dice.choice(ODD_VALUES)).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def readers(world: World) -> dict[str, Callable[[Path], object]]:
    """Everything that reads the files."""
    now = START + timedelta(hours=2)
    page = f"{candidate_folder('c')}/report.html"
    return {
        "status": lambda folder: status_text(read_status(folder), now),
        "page": lambda folder: models_page(open_store(folder), now),
        "report": lambda folder: open_store(folder).read(page),
        "gate": _gate,
        "judge": world.judge,
        "place": lambda folder: (list(odd_place(folder)), read_history(open_store(folder))),
        "release": lambda folder: release(folder, now),
        "train": partial(_train, world),
        "rollback": lambda folder: roll_back(folder, now),
        "deploy": world.deploy,
    }


def _train(world: World, folder: Path) -> None:
    files = world.folder / candidate_folder("a")
    told = json.loads((files / "metrics.json").read_bytes()) | {"run_id": "new"}
    content = {"model.onnx": (files / "model.onnx").read_bytes()}
    write_candidate(folder, "new", content | {"metrics.json": json.dumps(told).encode()})


def _gate(folder: Path) -> None:
    from pipeline.tasks.check_data import _reference

    production = read_production(folder)
    if production:
        _reference(production)


def outcome(act: Callable[[Path], object], folder: Path, damaged_file: str) -> str:
    """What came of reading: `done`, `named`, or what should not have been."""
    live = folder / "regime_detector.onnx"
    before = live.read_bytes() if live.exists() else None
    result = "done"
    try:
        act(folder)
    except ModelError:
        result = "named"
    except OSError as error:
        result = "named" if "what to do: " in str(error) else f"BARE {error!r}"
    except Exception as error:  # noqa: BLE001 - whatever it is, a person would read it
        return f"BARE {type(error).__name__}: {error}"[:300]
    after = live.read_bytes() if live.exists() else None
    if after != before:
        if result != "done":
            return "PRODUCTION CHANGED, and the change failed"
        check_answers(after or b"")
        pair = read_production(folder)
        if pair is None or (pair.metrics or {}).get("model_sha256") != pair.sha256:
            return "TORN PAIR"
    elif before and damaged_file != "regime_detector.onnx":
        check_answers(before)
    left = [path.name for path in folder.rglob(".*") if path.name != ".lock"]
    return f"LEFT BEHIND {left}" if left else result


def tried(world: World, name: str, seed: int) -> list[tuple[str, str, str]]:
    """Damages one file once and lets everything read it: file, reader and outcome of each."""
    content = damaged((world.folder / name).read_bytes(), random.Random(f"{name} {seed}"))
    found = []
    # Off the disk, where there is such a place: it is written thousands of times.
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as parent:
        for reader, act in readers(world).items():
            if reader == "judge" and seed % 5:
                continue  # it draws pictures
            folder = Path(parent, reader)
            shutil.copytree(world.folder, folder)
            (folder / name).write_bytes(content)
            found.append((name, reader, outcome(act, folder, name)))
            if reader in {"rollback", "deploy"}:
                # What failed once must not have closed the door.
                again = outcome(lambda f: roll_back(f, START + timedelta(hours=3)), folder, name)
                found.append((name, f"{reader}, then rollback", again))
    return found


def all_tried(
    count: int, folder: Path, workers: int, only: str = ""
) -> Counter[tuple[str, str, str]]:
    """The outcomes of `count` damages of each file whose name has `only` in it, counted."""
    world = World(folder / "models", _samples())
    jobs = [(name, seed) for name in world.files() if only in name for seed in range(count)]
    with ProcessPoolExecutor(workers) as processes:
        names, seeds = zip(*jobs, strict=True)
        found = processes.map(partial(tried, world), names, seeds, chunksize=8)
        return Counter(itertools.chain.from_iterable(found))


def table(found: Counter[tuple[str, str, str]]) -> str:
    """Rows are files, columns are readers; `a+b` is: a did their work, b named what is wrong."""
    readers_found = list(dict.fromkeys(reader for _, reader, _ in found))
    rows = []
    for name in dict.fromkeys(name for name, _, _ in found):
        cells = {"file": name}
        for reader in readers_found:
            of_pair = {key[2]: n for key, n in found.items() if key[:2] == (name, reader)}
            good, named = of_pair.pop("done", 0), of_pair.pop("named", 0)
            odd = f"!{sum(of_pair.values())}" if of_pair else ""
            cells[reader] = f"{good}+{named}{odd}"
        rows.append(cells)
    return tabulate(rows, "keys", "github")


def main(count: int, only: str = "") -> int:
    with tempfile.TemporaryDirectory() as folder:
        found = all_tried(count, Path(folder), os.cpu_count() or 1, only)
    print(table(found))  # noqa: T201
    odd = {key: n for key, n in found.items() if key[2] not in {"done", "named"}}
    for (name, reader, what), n in odd.items():
        print(f"{n:>5}  {name}, {reader}: {what}")  # noqa: T201
    return 1 if odd else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), *sys.argv[2:]))
