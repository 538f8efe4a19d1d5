"""The page of all models: production, what each run came to, and the models to go back to.

Like `ml.registry.status` it only looks. A candidate's model is not read, so that the page stays
quick when there are hundreds; its digest is verified before it is deployed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from ml.contract import REGIMES
from ml.registry.hold import read_hold
from ml.registry.models import key_of_run, read_history
from ml.registry.status import KeptModel, look_at_backups, look_at_production, metrics_of_runs
from ml.registry.store import Store
from ml.report.charts import balance_chart, balances, history_chart
from ml.report.pages import render
from ml.words import Verdict, age, verdict_of

MOST_RUNS: Final = 100
"""Candidates that are shown; a pipeline keeps ten."""
_SHEETS: Final = ("html_report.css", "models_page.css")


@dataclass(frozen=True)
class PastRun:
    """A run that trained a model.

    Attributes:
        metrics: what is known of it; empty if nothing is readable.
        verdict: what was decided.
        age: how long ago it trained.
        report: relative address of its report; None if that is no longer kept.
        docs: relative address of what the data gate said of it.
        in_production: whether the application reads this model now.
    """

    metrics: Mapping[str, Any]
    verdict: Verdict
    age: str
    report: str | None
    docs: str
    in_production: bool


def models_page(
    store: Store,
    now: datetime,
    rollback: str | None = None,
    unfinished: Sequence[Mapping[str, Any]] = (),
) -> bytes:
    """Renders the page; links lead to `report?run_id=…` and the like beside it.

    Args:
        store: the models.
        now: with a time zone, for ages.
        rollback: address at which this reader can start a rollback; None if they may not.
        unfinished: runs that did not come to their end, or have not yet: `run_id`, `trained_at`
            (when it began), `outcome` and `reasons`.

    Raises:
        OSError: if the models cannot be read.
    """
    production, backups = look_at_production(store), look_at_backups(store)
    candidates, unread = metrics_of_runs(store, MOST_RUNS)
    told = _with_unfinished(candidates, unfinished)
    every = _past_runs(production, backups, told, read_history(store), now)
    runs = [run for rank, run in enumerate(every) if rank < MOST_RUNS or run.in_production]
    oldest_first = [run.metrics for run in reversed(every)]
    labels = balances([run.metrics for run in reversed(runs)])
    return render(
        "models_page.html.jinja",
        _SHEETS,
        where=store.where(),
        production=production,
        hold=read_hold(store),
        m=production.metrics if production else {},
        production_report=next((run.report for run in runs if run.in_production), None),
        # After a rollback, what is live is among them too.
        backups=[one for one in backups if not production or one.sha256 != production.sha256],
        runs=runs,
        last=every[0] if every else None,
        older=unread > 0 or len(every) > len(runs),
        chart=history_chart(oldest_first, 1040, 320),
        small_chart=history_chart(oldest_first, 440, 300),
        regimes=REGIMES,
        labels=labels[::-1],
        balance=balance_chart(labels, 1040, 300),
        small_balance=balance_chart(labels, 440, 300),
        rollback=rollback,
        age=lambda moment: age(moment, now),
    )


def _with_unfinished(
    candidates: Sequence[Mapping[str, Any]], unfinished: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The candidates, and the runs that left none; one that did not end says so."""
    of_run = {run["run_id"]: run for run in unfinished}
    told: list[Mapping[str, Any]] = [
        {**metrics, **_outcome(of_run.pop(metrics.get("run_id"), {}), metrics)}
        for metrics in candidates
    ]
    return [*told, *of_run.values()]


def _outcome(run: Mapping[str, Any], metrics: Mapping[str, Any]) -> Mapping[str, Any]:
    """What became of a run beyond its candidate: a deployment, or a person's turn, is known."""
    known = metrics.get("deployed_at") or run.get("outcome") == "running"
    return {} if known else {key: run[key] for key in ("outcome", "reasons") if key in run}


def _past_runs(
    production: KeptModel | None,
    backups: Sequence[KeptModel],
    candidates: Sequence[Mapping[str, Any]],
    remembered: Sequence[Mapping[str, Any]],
    now: datetime,
) -> list[PastRun]:
    """Each run once, newest first; those whose candidate is gone, from the history or a backup."""
    models = (*((production,) if production else ()), *backups)
    kept = [*remembered, *(model.metrics for model in models)]
    known = {key_of_run(metrics) for metrics in candidates}
    by_key = {key_of_run(metrics): metrics for metrics in kept if metrics}
    gone = {key: metrics for key, metrics in by_key.items() if key not in known}
    runs = [_past_run(metrics, production, now, has_report=True) for metrics in candidates]
    runs += [_past_run(metrics, production, now, has_report=False) for metrics in gone.values()]
    return sorted(runs, key=lambda run: str(run.metrics.get("trained_at") or ""), reverse=True)


def _past_run(
    metrics: Mapping[str, Any], production: KeptModel | None, now: datetime, *, has_report: bool
) -> PastRun:
    run_id = metrics.get("run_id")
    query = urlencode({"run_id": run_id})
    has_report = has_report and run_id is not None and "model_sha256" in metrics
    return PastRun(
        metrics,
        verdict_of(metrics),
        age(metrics.get("trained_at"), now),
        f"report?{query}" if has_report else None,
        f"data-docs/run?{query}",
        production is not None and _is(production, metrics),
    )


def _is(production: KeptModel, metrics: Mapping[str, Any]) -> bool:
    """Whether the model is this run's; two runs on the same data train the same bytes."""
    if production.sha256 is None or metrics.get("model_sha256") != production.sha256:
        return False
    return production.metrics.get("run_id") in {None, metrics.get("run_id")}
