"""Command line: train, compare and look at models without Airflow, by the code of the tasks."""

import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NoReturn

import sqlalchemy as sa
import typer
from sqlalchemy.exc import SQLAlchemyError

from clickhouse.engine import error_line, opened
from clickhouse.errors import ClickHouseRefused, SnapshotChanged
from clickhouse.label_import import import_labels
from clickhouse.lookup import find_rows
from clickhouse.snapshot import Snapshot, find_snapshot
from ml.contract import FEATURES
from ml.data.reading import read_row, read_rows, read_training_rows
from ml.data.samples import Samples, moment_of, utc
from ml.data.split import split_by_time
from ml.evaluation.explanation import explain_row, models_to_explain
from ml.evaluation.promotion import PromotionThresholds
from ml.evaluation.switching import read_costs
from ml.evaluation.validation import judge_candidate
from ml.evaluation.versus import compare_models, find_model, versus_text
from ml.golden import answer_problems, feature_problems, read_golden
from ml.json_files import as_json
from ml.labelling.listing import make_list
from ml.labelling.ranking import Wishes
from ml.onnx_model import check_contract, load_model
from ml.progress import shown_progress
from ml.registry.deployment import roll_back
from ml.registry.hold import release as lift_hold
from ml.registry.models import open_store, read_candidate, read_production, write_candidate
from ml.registry.status import read_status, status_text
from ml.replay.page import PAGE, RESULT
from ml.replay.plan import Gate, Plan
from ml.replay.run import replay as replay_sundays
from ml.report.explanation import explanation_page, explanation_text
from ml.report.label_list import list_csv, list_text
from ml.report.text import text_report
from ml.training.candidate import BuiltCandidate, build_candidate
from ml.training.forest import TrainingOptions
from ml.training.metrics import Provenance, source_commit
from ml.training.repeating import Recipe, agreements, recipe_of_run

_NO: Final = 1
_BAD_INPUT: Final = 2
_NO_INFRASTRUCTURE: Final = 3
# \b keeps the lines of a paragraph apart.
_EPILOG: Final = """\
\b
examples:
  python -m ml status
  python -m ml train --connection --snapshot default.regime_snapshot_x --judge
  python -m ml train --url clickhouse+native://host:9000/market
      --repeat scheduled__2026-11-22T02:00:00+00:00
  python -m ml search --connection --snapshot default.regime_snapshot_x --out search.json
  python -m ml labels --connection --csv label_next.csv
  python -m ml labels --connection --import label_next.csv
  python -m ml rollback --to 2026-11-22T021500Z_8ac1d7f3
  python -m ml release
  python -m ml compare new.onnx production --connection --snapshot default.regime_snapshot_x
  python -m ml check regime_detector.onnx --connection
  python -m ml explain BTCUSDT 2026-11-22T02:00 --connection
  python -m ml replay --connection --weeks 52 --label-delay 48

\b
exit codes:
  0  done; with --judge, the candidate may be deployed; of compare, A may replace B
  1  judged no: not deployable, other bytes than expected, a digest that does not agree,
     features or answers other than the golden rows'
  2  wrong usage or input: an option, a table, a run, a model file, too few samples
  3  infrastructure: ClickHouse cannot be reached, or a folder cannot be used
"""
ModelsDir = Annotated[str, typer.Option(help="Folder or URL of the models.")]
Url = Annotated[
    str | None, typer.Option(help="SQLAlchemy URL, such as clickhouse+native://host:9000/db")
]
Connection = Annotated[
    bool,
    typer.Option(
        "--connection",
        help="The Airflow Connection clickhouse_default, from AIRFLOW_CONN_CLICKHOUSE_DEFAULT.",
    ),
]
Share = Annotated[float, typer.Option(help="Newest share of the samples, to judge on.")]
Hours = Annotated[float, typer.Option(help="Gap between training and holdout.")]
_RULE: Final = PromotionThresholds()
_GROWN: Final = TrainingOptions()

log = logging.getLogger("ml.__main__")
app = typer.Typer(
    help="Trains, compares, checks and lists models without Airflow, by the code of the tasks. "
    "Only rollback touches the production model; no run replaces it then until release.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code, as `--help` lists them."""
    # It logs the traceback of an error that is reported here in one line.
    logging.getLogger("clickhouse_driver").addHandler(logging.NullHandler())
    try:
        app(arguments, prog_name="python -m ml")
        return 0
    except SystemExit as ended:
        return int(ended.code or 0)
    except (ClickHouseRefused, SnapshotChanged, sa.exc.ArgumentError, ValueError) as error:
        return _refuse(str(error), _BAD_INPUT)
    except (SQLAlchemyError, OSError) as error:
        return _refuse(error_line(error), _NO_INFRASTRUCTURE)


def rule(
    min_accuracy: Annotated[
        float, typer.Option(help="Lowest accuracy that may be deployed.")
    ] = _RULE.min_accuracy,
    min_improvement: Annotated[
        float, typer.Option(help="Production must be beaten by more.")
    ] = _RULE.min_improvement,
    max_p_value: Annotated[
        float | None, typer.Option(help="Largest chance of such a lead; off.")
    ] = _RULE.max_p_value,
    min_holdout_days: Annotated[
        int, typer.Option(help="Days the holdout must have, or a person decides.")
    ] = _RULE.min_holdout_days,
    min_holdout_runs: Annotated[
        int, typer.Option(help="Runs of one regime it must have, likewise.")
    ] = _RULE.min_holdout_runs,
    on_doubt: Annotated[
        Literal["ask", "keep"], typer.Option(help="Where a person should decide.")
    ] = "ask",
    max_slice_loss: Annotated[
        float | None, typer.Option(help="Most that a regime or symbol may lose; off.")
    ] = _RULE.max_slice_loss,
    decision_costs: Annotated[
        str | None, typer.Option(metavar="JSON", help="What each confusion costs, 7 lists of 7.")
    ] = None,
) -> PromotionThresholds:
    """The promotion rule of a command's options."""
    costs = read_costs(decision_costs) if decision_costs else None
    evidence = min_holdout_days, min_holdout_runs, on_doubt
    return PromotionThresholds(
        min_accuracy, min_improvement, max_p_value, *evidence, max_slice_loss, costs
    )


def with_rule(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options of `rule`, which it takes as its `thresholds`."""
    own, asked = (signature(of, eval_str=True).parameters for of in (command, rule))

    @wraps(command)
    def called(**given: Any) -> None:
        thresholds = rule(**{name: given.pop(name) for name in asked})
        command(**given, thresholds=thresholds)

    options = [*(own[name] for name in own if name != "thresholds"), *asked.values()]
    options = [option.replace(kind=Parameter.KEYWORD_ONLY) for option in options]
    vars(called)["__signature__"] = Signature(options)
    return called


def open_clickhouse(url: str | None, *, connection: bool) -> AbstractContextManager[sa.Engine]:
    """Opens the ClickHouse that a URL names, or the Airflow Connection does."""
    if connection is (url is not None):
        _misuse("give either --url or --connection")
    if url is None:
        from pipeline.connection import clickhouse_engine  # noqa: PLC0415 - takes Airflow, 2 s

        return clickhouse_engine()
    return opened(url)


@app.command(epilog=_EPILOG)
@with_rule
def train(
    context: typer.Context,
    thresholds: PromotionThresholds,
    url: Url = None,
    connection: Connection = False,
    snapshot: Annotated[
        str | None, typer.Option(metavar="DB.TABLE", help="Frozen table to train on.")
    ] = None,
    repeat: Annotated[
        str | None,
        typer.Option(
            metavar="RUN_ID",
            help="Take snapshot and settings from that run's candidate, and compare the bytes.",
        ),
    ] = None,
    run_id: Annotated[
        str | None, typer.Option(help="Names the candidate; else cli__ and the time.")
    ] = None,
    expect: Annotated[
        str | None,
        typer.Option(metavar="SHA256", help="Digest that must come out, or the exit code is 1."),
    ] = None,
    trees: int = _GROWN.trees,
    max_train_rows: Annotated[
        int, typer.Option(help="Rows to train on if there are more.")
    ] = _GROWN.max_train_rows,
    seed: int = _GROWN.seed,
    n_jobs: Annotated[int, typer.Option(help="Threads; -1: every core.")] = _GROWN.n_jobs,
    holdout_fraction: Share = Recipe.holdout_fraction,
    embargo_hours: Hours = 24,
    judge: Annotated[
        bool, typer.Option("--judge", help="Also decide whether it might replace production.")
    ] = False,
    models_dir: ModelsDir = "models",
) -> None:
    """Train a candidate on a frozen table."""
    if (snapshot is None) is (repeat is None):
        _misuse("give either --snapshot or --repeat")
    if repeat:
        _require_own_settings(context)
        recipe = recipe_of_run(models_dir, repeat)
        # Threads are this machine's matter, and do not change the forest.
        options = replace(recipe.options, n_jobs=n_jobs)
        recipe = replace(recipe, options=options, sha256=expect or recipe.sha256)
    else:
        options = TrainingOptions(
            trees=trees, max_train_rows=max_train_rows, seed=seed, n_jobs=n_jobs
        )
        embargo = timedelta(hours=embargo_hours)
        recipe = Recipe(
            *(str(snapshot), options, holdout_fraction, embargo),
            sha256=expect,
            min_accuracy=thresholds.min_accuracy,
        )
    run_id = run_id or f"cli__{datetime.now(UTC).isoformat(timespec='seconds')}"
    with shown_progress(sys.stderr):
        with open_clickhouse(url, connection=connection) as engine:
            frozen, samples = _read(engine, recipe, recipe.options.max_train_rows)
        built = _build(recipe, run_id, frozen, samples)
        agreed = agreements(models_dir, built.metrics, recipe.sha256)
        write_candidate(models_dir, run_id, built.files())
        good = not judge or judge_candidate(models_dir, run_id, samples, thresholds).deploy
    kept = read_candidate(models_dir, run_id)
    print(text_report(kept.metrics))
    print(f"Kept in {open_store(models_dir).where(kept.folder)}")
    print(*agreed, sep="\n")
    as_expected = recipe.sha256 in {None, built.sha256}
    raise typer.Exit(0 if good and as_expected else _NO)


@app.command(epilog=_EPILOG)
@with_rule
def compare(
    a: Annotated[str, typer.Argument(help="The challenger: an ONNX file, a run id, or production")],
    b: Annotated[str, typer.Argument(help="What it would replace: likewise.")],
    thresholds: PromotionThresholds,
    snapshot: Annotated[str, typer.Option(metavar="DB.TABLE", help="Frozen table.")],
    url: Url = None,
    connection: Connection = False,
    holdout_fraction: Share = Recipe.holdout_fraction,
    embargo_hours: Hours = 24,
    models_dir: ModelsDir = "models",
) -> None:
    """Compare two models on the same holdout rows."""
    models = [(name, find_model(models_dir, name)) for name in (a, b)]
    with shown_progress(sys.stderr):
        with open_clickhouse(url, connection=connection) as engine:
            _, samples = _read(engine, Recipe(snapshot), None)
        log.info("Scoring both models")
        embargo = timedelta(hours=embargo_hours)
        versus = compare_models(models, samples, holdout_fraction, embargo, thresholds)
    print(versus_text(versus))
    raise typer.Exit(0 if versus.decision.deploy else _NO)


@app.command(epilog=_EPILOG)
def check(
    model: Annotated[str, typer.Argument(help="An ONNX file, a run id, or production.")],
    url: Url = None,
    connection: Connection = False,
    models_dir: ModelsDir = "models",
) -> None:
    """Check answers, and with a ClickHouse also features, against a model's golden rows."""
    session = load_model(find_model(models_dir, model), model)
    check_contract(session, model)
    golden = read_golden(session, model)
    problems = list(answer_problems(session, golden, model))
    done = f"{len(golden.rows) + len(golden.thresholds)} answers"
    if url or connection:
        keys = [(row.symbol, row.timestamp) for row in golden.rows]
        with open_clickhouse(url, connection=connection) as engine:
            found = find_rows(engine, keys, FEATURES)
        problems += feature_problems(golden, found)
        done += f", and the features of {len(found)} of {len(keys)} rows,"
    print(*(problems or [f"Good: {done} are those of the golden rows"]), sep="\n")
    raise typer.Exit(_NO if problems else 0)


@app.command(epilog=_EPILOG)
def explain(
    symbol: Annotated[str, typer.Argument(help="Symbol of the row.")],
    time: Annotated[str, typer.Argument(help="Its timestamp: ISO 8601, UTC.")],
    url: Url = None,
    connection: Connection = False,
    snapshot: Annotated[
        str | None, typer.Option(metavar="DB.TABLE", help="Labelled rows; else the model's own.")
    ] = None,
    candidate: Annotated[
        str | None, typer.Option(metavar="RUN_ID", help="To compare with; else the newest.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write it as a page.")
    ] = None,
    models_dir: ModelsDir = "models",
) -> None:
    """Say why a row gets its answer, and which labelled rows are most like it."""
    models = models_to_explain(models_dir, candidate)
    time = utc(moment_of(time)).isoformat()
    with open_clickhouse(url, connection=connection) as engine:
        features = read_row(engine, symbol, time)
        labelled = read_rows(engine, find_snapshot(engine, snapshot or models[0].snapshot))
    told = explain_row(models, labelled, (symbol, time), features)
    print(explanation_text(told))
    if page:
        page.write_bytes(explanation_page(told))


@app.command(epilog=_EPILOG)
def status(models_dir: ModelsDir = "models") -> None:
    """List production, candidates and backups, and verify digests."""
    # An object store is no folder of this machine, and has no empty folders to find.
    if "://" not in models_dir and not Path(models_dir).is_dir():
        raise ValueError(f"there is no folder {models_dir}: see --models-dir")
    found = read_status(models_dir)
    print(status_text(found, datetime.now(UTC)))
    raise typer.Exit(_NO if found.problems else 0)


@app.command(epilog=_EPILOG)
def labels(
    url: Url = None,
    connection: Connection = False,
    rows: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = Wishes.rows,
    min_samples_per_class: Annotated[
        int, typer.Option(help="Labels that a regime should have.")
    ] = Wishes.min_samples_per_class,
    holdout_fraction: Share = Recipe.holdout_fraction,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write them there too.")] = None,
    labelled: Annotated[
        Path | None,
        typer.Option("--import", metavar="FILE", help="Write the labels of that file instead."),
    ] = None,
    models_dir: ModelsDir = "models",
) -> None:
    """List the rows to label next, or bring their labels into regime_features."""
    if labelled is not None:
        from sample_market.loading import read_labels  # noqa: PLC0415 - takes pandas

        given = read_labels(labelled)
        with open_clickhouse(url, connection=connection) as engine:
            former = import_labels(engine, given)
        other = sum(was not in {"", given[row]} for row, was in former.items())
        print(f"{len(given)} labels written; {other} of the rows had another label before")
        return
    found = read_production(models_dir)
    wishes = Wishes(rows, holdout_fraction, min_samples_per_class)
    with open_clickhouse(url, connection=connection) as engine:
        made = make_list(engine, wishes, found.model if found else None)
    listed = made.to_dict()["rows"]
    print(list_text(listed))
    if csv is not None:
        csv.write_text(list_csv(listed), encoding="utf-8")
        print(f"Written to {csv}")


@app.command(epilog=_EPILOG)
def rollback(
    to: Annotated[
        str | None,
        typer.Option(metavar="BACKUP", help="A folder of backups/, see status; else the newest."),
    ] = None,
    why: Annotated[str, typer.Option(help="Reason, shown wherever the hold is.")] = "",
    models_dir: ModelsDir = "models",
) -> None:
    """Put a former model back into production."""
    done = roll_back(models_dir, datetime.now(UTC), to, why=why)
    kept = f"; what it replaced is in {done.backup}" if done.backup else ""
    came = "is back in" if done.changed else "was already in"
    print(f"The model of run {done.run_id} {came} production: {done.path}{kept}")
    print(f"SHA-256 {done.sha256}")
    if done.changed:
        print("Held: no run replaces it until a person approves a model, or python -m ml release")


@app.command(epilog=_EPILOG)
def release(models_dir: ModelsDir = "models") -> None:
    """Lift the hold of a rollback, so that runs deploy again."""
    hold = lift_hold(models_dir, datetime.now(UTC))
    print(f"Lifted: {hold}" if hold else "There is no hold; runs deploy by themselves")


@app.command(epilog=_EPILOG)
def search(
    snapshot: Annotated[str, typer.Option(metavar="DB.TABLE", help="Frozen table.")],
    url: Url = None,
    connection: Connection = False,
    holdout_fraction: Share = Recipe.holdout_fraction,
    embargo_hours: Hours = 24,
    out: Annotated[Path | None, typer.Option(help="File to keep the result in, as JSON.")] = None,
) -> None:
    """Compare the forest's settings, nested in time, on the rows before the holdout."""
    from ml.training.search import search as search_settings  # noqa: PLC0415 - one command's

    embargo = timedelta(hours=embargo_hours)
    with shown_progress(sys.stderr):
        with open_clickhouse(url, connection=connection) as engine:
            recipe = Recipe(snapshot, holdout_fraction=holdout_fraction, embargo=embargo)
            frozen, samples = _read(engine, recipe, _GROWN.max_train_rows)
        split = split_by_time(samples.timestamps, holdout_fraction, embargo)
        log.info("Comparing settings on %d rows before %s", split.train_samples, split.cut)
        found = search_settings(samples.rows(split.training), _GROWN, embargo)
    print(found)
    if out:
        known = {"snapshot": frozen.name, "data_fingerprint": frozen.fingerprint}
        out.write_bytes(as_json({**known, **found.to_dict()}))
        print(f"Kept in {out}")


@app.command(epilog=_EPILOG)
@with_rule
def replay(
    thresholds: PromotionThresholds,
    url: Url = None,
    connection: Connection = False,
    snapshot: Annotated[
        str | None, typer.Option(metavar="DB.TABLE", help="Frozen rows; else all labelled now.")
    ] = None,
    weeks: Annotated[int, typer.Option(help="Sundays, the newest ones.")] = 52,
    label_delay: Annotated[float, typer.Option(help="Hours until a row has its label.")] = 0,
    answer: Annotated[
        Literal["yes", "no", "both"], typer.Option(help="What a person says where one is asked.")
    ] = "yes",
    gate: Annotated[
        bool, typer.Option("--gate", help="Also run the data gate on each Sunday's rows.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder of this replay; else replays/ and the day.")
    ] = None,
    database: Annotated[
        str | None, typer.Option(help="Where rows are frozen; else the connection's own.")
    ] = None,
    trees: int = _GROWN.trees,
    max_train_rows: Annotated[int, typer.Option(help="Of a Sunday.")] = _GROWN.max_train_rows,
    holdout_fraction: Share = Recipe.holdout_fraction,
    embargo_hours: Hours = 24,
) -> None:
    """Replay past Sundays: what they would have come to, under this rule and others.

    Production is not touched. Called again, it goes on where it was stopped.
    """
    plan = Plan(
        *(weeks, timedelta(hours=label_delay), answer),
        TrainingOptions(trees=trees, max_train_rows=max_train_rows),
        *(holdout_fraction, timedelta(hours=embargo_hours)),
        thresholds,
    )
    judge: Gate | None = None
    if gate:
        from pipeline.tasks.replay import gate_by  # noqa: PLC0415 - takes Airflow, 2 s

        judge = gate_by()
    folder = out or Path("replays") / f"{datetime.now(UTC):%Y-%m-%d}"
    with shown_progress(sys.stderr), open_clickhouse(url, connection=connection) as engine:
        rows = find_snapshot(engine, snapshot) if snapshot else None
        found = replay_sundays(engine, plan, folder, snapshot=rows, database=database, gate=judge)
    print(*found["says"], sep=".\n", end=".\n")
    print(f"The page: {folder / PAGE}, the numbers: {folder / RESULT}")


def _require_own_settings(context: typer.Context) -> None:
    """Refuses settings beside `--repeat`."""
    given = ("holdout_fraction", "embargo_hours", "trees", "max_train_rows", "seed")
    for name in given:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = name.replace("_", "-")
            _misuse(f"--{option} cannot be given with --repeat, which takes the run's own")


def _read(engine: sa.Engine, recipe: Recipe, most: int | None) -> tuple[Snapshot, Samples]:
    log.info("Reading %s", recipe.snapshot)
    snapshot = find_snapshot(engine, recipe.snapshot)
    if recipe.fingerprint not in (None, snapshot.fingerprint):
        raise SnapshotChanged(snapshot.name, str(recipe.fingerprint), snapshot.fingerprint)
    samples = read_training_rows(
        engine, snapshot, recipe.holdout_fraction, recipe.embargo, most or snapshot.rows
    )
    log.info("Read %d labelled rows", len(samples))
    return snapshot, samples


def _build(recipe: Recipe, run_id: str, snapshot: Snapshot, samples: Samples) -> BuiltCandidate:
    provenance = Provenance(
        run_id, snapshot.name, snapshot.fingerprint, datetime.now(UTC), source_commit()
    )
    return build_candidate(
        *(samples, recipe.options, recipe.holdout_fraction, recipe.embargo, provenance),
        min_accuracy=recipe.min_accuracy,
    )


def _misuse(message: str) -> NoReturn:
    raise typer.BadParameter(message)


def _refuse(message: str, code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
