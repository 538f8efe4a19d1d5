"""The task `watch_model`: what the days since the last look say of the model that trades."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from clickhouse.snapshot import prune
from clickhouse.watching import read_days, write_day
from ml.errors import decoration
from ml.json_files import as_json
from ml.registry.models import read_production
from ml.registry.names import WATCH_FILE
from ml.registry.status import look_at_production, metrics_of_runs
from ml.registry.store import Store
from ml.watch.day import Outcome, Watched, confirmed, counted_blocks, go_on
from ml.watch.states import Finding
from ml.watch.summary import freshness, summary_of
from ml.watch.truth import Block
from ml.words import moment
from notifications.messages import watched
from pipeline import gauges
from pipeline.alerts import tell
from pipeline.connection import clickhouse_engine
from pipeline.settings import Settings
from pipeline.watching import Days, Watcher
from pipeline.weekly_run import judge_weekly_run

log = logging.getLogger(__name__)

Facts = dict[str, Any]
_NO_MODEL: Final = "There is no model in production yet: rows are watched, and nobody's answers."


def watch_model(settings: Settings, links: Mapping[str, str]) -> dict[str, Any]:
    """Looks at what is new, tells what has turned, and keeps what the page Production shows.

    Returns:
        The day, what worries, and whether a new model is wanted.
    """
    production = read_production(settings.models)
    if production is None:
        log.info(_NO_MODEL)
    with clickhouse_engine() as engine:
        watcher = Watcher.at(engine, settings.snapshot_database, production)
        outcome = _Look.by(watcher, settings.models).told(links)
        if outcome is None:
            log.info("The source has no rows of a whole day yet: there is nothing to look at.")
            return {"day": None, "worrying": [], "wants_training": False}
        days = read_days(engine, settings.snapshot_database)
        _keep_page(settings.models, days)
        # Also where no weekly run comes any more, rows that the source has forgotten are to go.
        with decoration("Removing old snapshots"):
            frozen = ((production and production.metrics) or {}).get("snapshot_table")
            prune(engine, settings.snapshot_database, protect=[str(frozen)])
    worrying = {t: s.words for t, s in outcome.states.items() if s.worrying}
    log.info("%s: %s", outcome.day, "; ".join(worrying.values()) or "all is well")
    gauges.tell_of_watch(len(worrying), watcher.now, freshness(days))
    wanted = outcome.wants_training
    return {"day": outcome.day.isoformat(), "worrying": list(worrying), "wants_training": wanted}


@dataclass(frozen=True)
class _Look:
    """What a look has found, on its way into the table and the chat."""

    watcher: Watcher
    models: Store
    seen: Days
    blocks: Sequence[Block]
    others: Sequence[Finding]

    @classmethod
    def by(cls, watcher: Watcher, models: Store) -> "_Look":
        seen = watcher.look_at_days()
        sha256 = watcher.production.sha256 if watcher.production else ""
        blocks = watcher.look_at_labels(counted_blocks(seen.onto(seen.known), sha256))
        return cls(watcher, models, seen, blocks, _others(models, watcher.now))

    def told(self, links: Mapping[str, str]) -> Outcome | None:
        """Claims what has turned, tells it, and keeps that it was told; None without any day."""
        outcome = self._claim()
        if outcome and outcome.turn:
            tell(watched(_words_of(outcome), links))
            self._confirm(outcome.day)
        return outcome

    def _claim(self) -> Outcome | None:
        # Two at once: the second finds the claim of the first.
        with self.models.locked():
            days = self.seen.onto(self._kept())
            if not days:
                return None
            model = self.watcher.production
            known = (model.sha256, model.metrics or {}) if model else ("", {})
            watched_model = Watched(*known, self.watcher.profile)
            outcome = go_on(days, self.seen.looked, watched_model, self.blocks, self.others)
            for day in sorted({*self.seen.found, *outcome.facts}):
                self._keep(day, outcome.facts.get(day) or days[day])
        return outcome

    def _confirm(self, day: date) -> None:
        with self.models.locked():
            self._keep(day, confirmed(self._kept()[day]))

    def _kept(self) -> dict[date, Facts]:
        return read_days(self.watcher.engine, self.watcher.database)

    def _keep(self, day: date, facts: Facts) -> None:
        write_day(self.watcher.engine, self.watcher.database, day, facts)


def _words_of(outcome: Outcome) -> dict[str, Any]:
    turn = outcome.turn
    known = [t for t, s in outcome.states.items() if s.worrying and t not in turn.worrying]
    return {
        "day": outcome.day.isoformat(),
        "worrying": [{"words": s.words, "remedy": s.remedy} for s in turn.worrying.values()],
        "well": [f"{thing} (worrying since {s.since})" for thing, s in turn.well.items()],
        "besides": len(known),
    }


def _others(models: Store, now: datetime) -> list[Finding]:
    """What is wrong besides rows: the weekly run, and the files of production."""
    found: list[Finding] = []
    production = look_at_production(models)
    if production and production.problem:
        words = f"production: {production.problem}"
        found.append(Finding("production file", "run", words, "Look at the page Models"))
    with decoration("What Airflow says of the weekly run"):
        runs, _ = metrics_of_runs(models, 1)
        newest = moment(runs[0].get("trained_at")) if runs else None
        found += judge_weekly_run(now, newest)
    return found


def _keep_page(models: Store, days: Mapping[date, Facts]) -> None:
    with decoration("The page Production"):
        models.write(WATCH_FILE, as_json(summary_of(days)))
