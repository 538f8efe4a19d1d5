"""Command line: train, compare and look at models without Airflow, by the code of the tasks."""

import argparse
import logging
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from clickhouse.engine import error_line, opened
from clickhouse.errors import ClickHouseRefused, SnapshotChanged
from clickhouse.snapshot import Snapshot, find_snapshot
from ml.arguments import parser, recipe_of, require_consistent, split_of, thresholds_of
from ml.data.reading import read_training_rows
from ml.data.samples import Samples
from ml.evaluation.validation import judge_candidate
from ml.evaluation.versus import compare_models, find_model, versus_text
from ml.progress import shown_progress
from ml.registry.deployment import roll_back
from ml.registry.hold import release
from ml.registry.models import open_store, read_candidate, write_candidate
from ml.registry.status import read_status, status_text
from ml.report.text import text_report
from ml.training.candidate import BuiltCandidate, build_candidate
from ml.training.metrics import Provenance, source_commit
from ml.training.repeating import Recipe, agreements

_YES: Final = 0
_NO: Final = 1
_BAD_INPUT: Final = 2
_NO_INFRASTRUCTURE: Final = 3

log = logging.getLogger("ml.__main__")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code, as `--help` lists them."""
    described = parser()
    given = described.parse_args(arguments)
    require_consistent(described, given)
    # It logs the traceback of an error that is reported here in one line.
    logging.getLogger("clickhouse_driver").addHandler(logging.NullHandler())
    commands = {
        "train": _train,
        "compare": _compare,
        "status": _status,
        "rollback": _rollback,
        "release": _release,
    }
    try:
        return commands[given.command](given)
    except (ClickHouseRefused, SnapshotChanged, sa.exc.ArgumentError, ValueError) as error:
        return _refuse(str(error), _BAD_INPUT)
    except (SQLAlchemyError, OSError) as error:
        return _refuse(error_line(error), _NO_INFRASTRUCTURE)


def open_clickhouse(url: str | None) -> AbstractContextManager[sa.Engine]:
    """Opens the ClickHouse that a URL names; None stands for the Airflow Connection."""
    if url is None:
        from pipeline.connection import clickhouse_engine  # noqa: PLC0415 - takes Airflow, 2 s

        return clickhouse_engine()
    return opened(url)


def _train(given: argparse.Namespace) -> int:
    recipe = recipe_of(given)
    run_id = given.run_id or f"cli__{datetime.now(UTC).isoformat(timespec='seconds')}"
    with shown_progress(sys.stderr):
        snapshot, samples = _read(given, recipe, to_train=True)
        built = _build(recipe, run_id, snapshot, samples)
        agreed = agreements(given.models_dir, built.metrics, recipe.sha256)
        write_candidate(given.models_dir, run_id, built.files())
        good = not given.judge or _judge(given, run_id, samples)
    kept = read_candidate(given.models_dir, run_id)
    print(text_report(kept.metrics))
    print(f"Kept in {open_store(given.models_dir).where(kept.folder)}")
    print(*agreed.lines, sep="\n")
    return _YES if good and agreed.as_expected else _NO


def _compare(given: argparse.Namespace) -> int:
    models = [(name, find_model(given.models_dir, name)) for name in (given.a, given.b)]
    with shown_progress(sys.stderr):
        _, samples = _read(given, Recipe(given.snapshot), to_train=False)
        log.info("Scoring both models")
        versus = compare_models(models, samples, *split_of(given), thresholds_of(given))
    print(versus_text(versus))
    return _YES if versus.decision.deploy else _NO


def _status(given: argparse.Namespace) -> int:
    # An object store is no folder of this machine, and has no empty folders to find.
    if "://" not in given.models_dir and not Path(given.models_dir).is_dir():
        return _refuse(f"there is no folder {given.models_dir}: see --models-dir", _BAD_INPUT)
    status = read_status(given.models_dir)
    print(status_text(status, datetime.now(UTC)))
    return _NO if status.problems else _YES


def _rollback(given: argparse.Namespace) -> int:
    done = roll_back(given.models_dir, datetime.now(UTC), given.to, why=given.why)
    kept = f"; what it replaced is in {done.backup}" if done.backup else ""
    came = "is back in" if done.changed else "was already in"
    print(f"The model of run {done.run_id} {came} production: {done.path}{kept}")
    print(f"SHA-256 {done.sha256}")
    if done.changed:
        print("Held: no run replaces it until a person approves a model, or python -m ml release")
    return _YES


def _release(given: argparse.Namespace) -> int:
    hold = release(given.models_dir, datetime.now(UTC))
    print(f"Lifted: {hold}" if hold else "There is no hold; runs deploy by themselves")
    return _YES


def _read(given: argparse.Namespace, recipe: Recipe, *, to_train: bool) -> tuple[Snapshot, Samples]:
    log.info("Reading %s", recipe.snapshot)
    with open_clickhouse(given.url) as engine:
        snapshot = find_snapshot(engine, recipe.snapshot)
        if recipe.fingerprint not in (None, snapshot.fingerprint):
            raise SnapshotChanged(snapshot.name, str(recipe.fingerprint), snapshot.fingerprint)
        most = recipe.options.max_train_rows if to_train else snapshot.rows
        samples = read_training_rows(
            engine, snapshot, recipe.holdout_fraction, recipe.embargo, most
        )
    log.info("Read %d labelled rows", len(samples))
    return snapshot, samples


def _build(recipe: Recipe, run_id: str, snapshot: Snapshot, samples: Samples) -> BuiltCandidate:
    provenance = Provenance(
        run_id, snapshot.name, snapshot.fingerprint, datetime.now(UTC), source_commit()
    )
    return build_candidate(
        samples, recipe.options, recipe.holdout_fraction, recipe.embargo, provenance
    )


def _judge(given: argparse.Namespace, run_id: str, samples: Samples) -> bool:
    return judge_candidate(given.models_dir, run_id, samples, thresholds_of(given)).deploy


def _refuse(message: str, code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
