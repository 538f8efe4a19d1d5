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
from ml.registry.history import read_history
from ml.registry.hold import read_hold
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
        in_production: whether the application reads this model now.
    """

    metrics: Mapping[str, Any]
    verdict: Verdict
    age: str
    report: str | None
    in_production: bool


def models_page(store: Store, now: datetime, rollback: str | None = None) -> bytes:
    """Renders the page; links lead to `report?run_id=…` beside it.

    Args:
        store: the models.
        now: with a time zone, for ages.
        rollback: address at which this reader can start a rollback; None if they may not.

    Raises:
        OSError: if the models cannot be read.
    """
    production, backups = look_at_production(store), look_at_backups(store)
    candidates, unread = metrics_of_runs(store, MOST_RUNS)
    every = _past_runs(production, backups, candidates, read_history(store), now)
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
        backups=backups,
        runs=runs,
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
    known = {_key(metrics) for metrics in candidates}
    gone = {_key(metrics): metrics for metrics in kept if metrics and _key(metrics) not in known}
    runs = [_past_run(metrics, production, now, has_report=True) for metrics in candidates]
    runs += [_past_run(metrics, production, now, has_report=False) for metrics in gone.values()]
    return sorted(runs, key=lambda run: str(run.metrics.get("trained_at") or ""), reverse=True)


def _past_run(
    metrics: Mapping[str, Any], production: KeptModel | None, now: datetime, *, has_report: bool
) -> PastRun:
    run_id = metrics.get("run_id")
    return PastRun(
        metrics,
        verdict_of(metrics),
        age(metrics.get("trained_at"), now),
        f"report?{urlencode({'run_id': run_id})}" if has_report and run_id else None,
        production is not None and _is(production, metrics),
    )


def _is(production: KeptModel, metrics: Mapping[str, Any]) -> bool:
    """Whether the model is this run's; two runs on the same data train the same bytes."""
    if production.sha256 is None or metrics.get("model_sha256") != production.sha256:
        return False
    return production.metrics.get("run_id") in {None, metrics.get("run_id")}


def _key(metrics: Mapping[str, Any]) -> tuple[str, str]:
    return str(metrics.get("run_id")), str(metrics.get("model_sha256"))
