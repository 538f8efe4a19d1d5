"""Looks at the days that have not been looked at, and keeps a row of facts for each.

A day that has more rows than when it was looked at is looked at again. Facts only: what they mean
is judged in `ml.watch`, told in `pipeline.tasks.watch_model`.
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from clickhouse.snapshot import Snapshot
from clickhouse.watching import (
    feeds_of,
    freshness_of,
    midnight,
    read_days,
    rows_by_day,
    rows_of_days,
    server_time,
    thinned_to,
)
from expectations.gate import judge_rows
from expectations.rules.reference import Reference
from ml.contract import FEATURES, REGIMES
from ml.data.reading import MOST_ASKED, read_watched_rows
from ml.errors import ModelBroken
from ml.onnx_model import check_contract, load_model
from ml.registry.models import Production
from ml.watch.measures import correct_by_day, measure_answers, measure_inputs
from ml.watch.truth import Block, new_blocks
from ml.words import moment
from pipeline.tasks.check_data import CONTRACT, profile_of_production

if TYPE_CHECKING:
    from sqlalchemy import Engine

log = logging.getLogger(__name__)

Facts = dict[str, Any]
_A_DAY: Final = timedelta(days=1)
_AT_FIRST: Final = 28
"""Days before the first look, of which is counted what is usual."""
_LOOKED_AGAIN: Final = 3
"""Days back in which rows that come late are looked for."""


@dataclass(frozen=True)
class Days:
    """What a look has found.

    Attributes:
        known: facts of each day that had been looked at, oldest first.
        found: facts of the days that are new, or have more rows.
        looked: the new days, which are to be judged; at first the newest alone.
    """

    known: Mapping[date, Facts]
    found: Mapping[date, Facts]
    looked: tuple[date, ...]

    def onto(self, known: Mapping[date, Facts]) -> dict[date, Facts]:
        """All days, oldest first: what is found, and what it says nothing of from elsewhere."""
        found = {day: {**known.get(day, {}), **facts} for day, facts in self.found.items()}
        return dict(sorted({**known, **found}.items()))


@dataclass(frozen=True)
class Watcher:
    """Who looks.

    Attributes:
        engine: where the source is.
        database: where the row of a day is kept; None for the connection's own.
        production: the model that trades; None if there is none.
        now: the time, such as the server's: this machine's clock is not asked.
    """

    engine: "Engine"
    database: str | None
    production: Production | None
    now: datetime

    @classmethod
    def at(cls, engine: "Engine", database: str | None, production: Production | None) -> "Watcher":
        """One who goes by the server's clock."""
        return cls(engine, database, production, server_time(engine))

    @property
    def profile(self) -> Mapping[str, Any]:
        """What production was trained on; empty if that is not known."""
        return profile_of_production(self.production) if self.production else {}

    def look_at_days(self) -> Days:
        """Looks at each whole day that has not been looked at, or has more rows than it had."""
        known = read_days(self.engine, self.database)
        yesterday, last = self.now.date() - _A_DAY, max(known, default=None)
        oldest = yesterday - (_AT_FIRST - 1) * _A_DAY
        first = last - (_LOOKED_AGAIN - 1) * _A_DAY if last else oldest
        rows = rows_by_day(self.engine, first, self.now)
        again = [d for d, count in rows.items() if count > known.get(d, {"rows": count})["rows"]]
        begun = last + _A_DAY if last else min(rows, default=self.now.date())
        new = _days_from(max(begun, oldest), yesterday)
        found: dict[date, Facts] = {}
        for day in (*again, *new):
            before = found.get(day - _A_DAY) or known.get(day - _A_DAY, {})
            found[day] = self._facts_of(day, before, rules=bool(last) or day == yesterday)
        if again and new:
            late = {d.isoformat(): [rows[d], rows[d] - known[d]["rows"]] for d in again}
            found[new[-1]]["late"] = late
        return Days(known, found, tuple(new if last else new[-1:]))

    def look_at_labels(self, counted: tuple[Block, ...]) -> tuple[Block, ...]:
        """Asks production for the rows after its newest label, as far as they have one by now.

        Args:
            counted: what was counted of it before.

        Returns:
            The blocks, with those of labels that are new.
        """
        since = moment(((self.production and self.production.metrics) or {}).get("holdout_end"))
        if self.production is None or since is None:
            return counted
        span = since + timedelta(seconds=1), self.now + _A_DAY
        names = FEATURES, REGIMES
        with rows_of_days(
            self.engine, *span, *names, labelled=True, database=self.database
        ) as copy:
            if not copy.rows:
                return counted
            condition, _ = thinned_to(self.engine, copy, MOST_ASKED)
            rows = read_watched_rows(self.engine, copy, condition)
        return new_blocks(counted, correct_by_day(rows, load_model(self.production.model)))

    def _facts_of(self, day: date, before: Mapping[str, Any], *, rules: bool) -> Facts:
        """The facts of a day; without the gate's rules if they are for comparison only."""
        span, names = (midnight(day), midnight(day) + _A_DAY), (FEATURES, REGIMES)
        with rows_of_days(self.engine, *span, *names, database=self.database) as copy:
            feeds = feeds_of(self.engine, copy)
            facts: Facts = {
                "rows": copy.rows,
                "feeds": {n: [f.rows, f.hours] for n, f in feeds.items()},
            }
            if copy.rows:
                fresh = freshness_of(self.engine, copy, span[1], FEATURES)
                facts["features"] = {name: asdict(found) for name, found in fresh.items()}
                facts |= self._measured(copy, before)
                facts["broken"] = self._broken(copy) if rules else []
        log.info("%s: %d rows", day, facts["rows"])
        return facts

    def _measured(self, copy: Snapshot, before: Mapping[str, Any]) -> Facts:
        condition, step = thinned_to(self.engine, copy, MOST_ASKED)
        rows = read_watched_rows(self.engine, copy, condition)
        inputs = measure_inputs(rows, self.profile, before.get("inputs") or {})
        found: Facts = {"step": step, "inputs": inputs}
        if self.production:
            try:
                session = load_model(self.production.model, "production model")
                check_contract(session, "production model")
                answers = measure_answers(rows, session)
                found["answers"] = answers | {"model": self.production.sha256}
            except ModelBroken as error:
                found["no_answers"] = str(error)
        return found

    def _broken(self, copy: Snapshot) -> list[dict[str, str]]:
        reference = Reference.from_dict(self.profile) if self.profile else None
        rules = judge_rows(self.engine, copy.database, copy.table, CONTRACT, reference)
        return [{"rule": rule.rule, "observed": rule.observed or rule.problem} for rule in rules]


def _days_from(first: date, last: date) -> list[date]:
    return [first + k * _A_DAY for k in range((last - first).days + 1)]
