"""Describes the command line `python -m ml` and turns what was given into the room's own types."""

import argparse
from dataclasses import fields, replace
from datetime import timedelta
from typing import Final

from ml.evaluation.promotion import ASK, KEEP, PromotionThresholds
from ml.training.forest import TrainingOptions
from ml.training.repeating import Recipe, recipe_of_run

_EXIT_CODES: Final = """\
exit codes:
  0  done; with --judge, the candidate may be deployed; of compare, A may replace B
  1  judged no: not deployable, other bytes than expected, or a digest that does not agree
  2  wrong usage or input: an option, a table, a run, a model file, too few samples
  3  infrastructure: ClickHouse cannot be reached, or a folder cannot be used
"""
_EXAMPLES: Final = """\
examples:
  python -m ml status
  python -m ml train --connection --snapshot default.regime_snapshot_x --judge
  python -m ml train --url clickhouse+native://host:9000/market \\
      --repeat scheduled__2026-11-22T02:00:00+00:00
  python -m ml rollback --to 2026-11-22T021500Z_8ac1d7f3
  python -m ml release
  python -m ml compare new.onnx production --connection --snapshot default.regime_snapshot_x
"""


def parser() -> argparse.ArgumentParser:
    """Describes the commands and their options."""
    described = argparse.ArgumentParser(
        prog="python -m ml",
        description="Trains, compares and lists models without Airflow, by the code of the tasks. "
        "Only rollback touches the production model; no run replaces it then until release.",
        epilog=f"{_EXAMPLES}\n{_EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = described.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _describe_train(_command(commands, "train", "train a candidate on a frozen table"))
    _describe_compare(_command(commands, "compare", "compare two models on the same holdout rows"))
    _command(commands, "status", "list production, candidates and backups, and verify digests")
    rollback = _command(commands, "rollback", "put a former model back into production")
    rollback.add_argument(
        "--to", metavar="BACKUP", help="a folder of backups/, see status; default: the newest"
    )
    rollback.add_argument("--why", default="", help="reason, shown wherever the hold is")
    _command(commands, "release", "lift the hold of a rollback, so that runs deploy again")
    return described


def recipe_of(given: argparse.Namespace) -> Recipe:
    """What `train` is to train: a past run's recipe, or the options given."""
    if given.repeat:
        recipe = recipe_of_run(given.models_dir, given.repeat)
        # Threads are this machine's matter, and do not change the forest.
        options = replace(recipe.options, n_jobs=given.n_jobs or TrainingOptions.n_jobs)
        return replace(recipe, options=options, sha256=given.expect or recipe.sha256)
    chosen = {field.name: getattr(given, field.name, None) for field in fields(TrainingOptions)}
    return Recipe(
        given.snapshot,
        TrainingOptions(**{name: value for name, value in chosen.items() if value is not None}),
        *split_of(given),
        sha256=given.expect,
    )


def split_of(given: argparse.Namespace) -> tuple[float, timedelta]:
    """The holdout's share, and the gap before it."""
    share, hours = given.holdout_fraction, given.embargo_hours
    return (
        Recipe.holdout_fraction if share is None else share,
        Recipe.embargo if hours is None else timedelta(hours=hours),
    )


def thresholds_of(given: argparse.Namespace) -> PromotionThresholds:
    """What the promotion rule asks for; what was not given has the rule's own default."""
    chosen = {name.name: getattr(given, name.name, None) for name in fields(PromotionThresholds)}
    return PromotionThresholds(
        **{name: value for name, value in chosen.items() if value is not None}
    )


def require_consistent(described: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """Refuses options that contradict each other, as argparse refuses others: exit code 2."""
    names = ("holdout_fraction", "embargo_hours", "trees", "max_train_rows", "seed")
    clash = [name for name in names if getattr(given, name, None) is not None]
    if getattr(given, "repeat", None) and clash:
        option = clash[0].replace("_", "-")
        described.error(f"--{option} cannot be given with --repeat, which takes the run's own")


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, purpose: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=purpose,
        description=purpose.capitalize() + ".",
        epilog=f"{_EXAMPLES}\n{_EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--models-dir", default="models", help="folder or URL; default: %(default)s"
    )
    return command


def _describe_train(command: argparse.ArgumentParser) -> None:
    _describe_clickhouse(command)
    what = command.add_mutually_exclusive_group(required=True)
    what.add_argument("--snapshot", metavar="DB.TABLE", help="frozen table to train on")
    what.add_argument(
        "--repeat",
        metavar="RUN_ID",
        help="take snapshot and settings from that run's candidate, and compare the bytes",
    )
    command.add_argument("--run-id", help="names the candidate; default: cli__ and the time")
    command.add_argument(
        "--expect", metavar="SHA256", help="digest that must come out, or the exit code is 1"
    )
    command.add_argument("--trees", type=int, help=f"default: {TrainingOptions.trees}")
    command.add_argument(
        "--max-train-rows",
        type=int,
        help=f"rows to train on if there are more; default: {TrainingOptions.max_train_rows:,}",
    )
    command.add_argument("--seed", type=int, help=f"default: {TrainingOptions.seed}")
    command.add_argument("--n-jobs", type=int, help="threads; default: every core")
    _describe_split(command)
    command.add_argument(
        "--judge", action="store_true", help="also decide whether it might replace production"
    )
    _describe_rule(command)


def _describe_compare(command: argparse.ArgumentParser) -> None:
    kinds = "path of an ONNX file, a run id, or the word production"
    command.add_argument("a", metavar="A", help=f"the challenger: {kinds}")
    command.add_argument("b", metavar="B", help="what it would replace: likewise")
    _describe_clickhouse(command)
    command.add_argument("--snapshot", metavar="DB.TABLE", required=True, help="frozen table")
    _describe_split(command)
    _describe_rule(command)


def _describe_clickhouse(command: argparse.ArgumentParser) -> None:
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("--url", help="SQLAlchemy URL, such as clickhouse+native://host:9000/db")
    source.add_argument(
        "--connection",
        action="store_true",
        help="the Airflow Connection clickhouse_default, from AIRFLOW_CONN_CLICKHOUSE_DEFAULT",
    )


def _describe_split(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--holdout-fraction", type=float, help=f"default: {Recipe.holdout_fraction}"
    )
    command.add_argument("--embargo-hours", type=float, help="default: 24")


def _describe_rule(command: argparse.ArgumentParser) -> None:
    for field in fields(PromotionThresholds):
        option = f"--{field.name.replace('_', '-')}"
        default = "off" if field.default is None else field.default
        kind = float if field.default is None else type(field.default)
        choices = (ASK, KEEP) if field.name == "on_doubt" else None
        command.add_argument(option, type=kind, choices=choices, help=f"default: {default}")
