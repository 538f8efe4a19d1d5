"""The page of the model that trades: what worries now, and the last 90 days of what it is fed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ml.json_files import read_object
from ml.registry.hold import read_hold
from ml.registry.names import WATCH_FILE
from ml.registry.status import look_at_production
from ml.registry.store import Store
from ml.report.charts import balance_chart, balances
from ml.report.pages import render
from ml.versions import differing_versions, versions
from ml.words import age, moment, percent, span

KINDS: Final = {
    "feed": "Rows come",
    "input": "Inputs are what training knew",
    "answers": "Answers are as usual",
    "accuracy": "Labels agree",
    "run": "Weekly run and files",
}
"""Kinds of things in the order of the page, by what is so while all is well."""
_NEEDS: Final = {"answers": "regimes", "accuracy": "labelled"}
"""What a day must have, besides having been looked at, for a kind to be well or not."""
_STALE: Final = timedelta(hours=49)
_SHEETS: Final = ("html_report.css", "models_page.css", "production_page.css")
_MOST_DAYS: Final = 90
_LONGER: Final = 2
"""Times the usual from which on words say how long a feature has been the same."""


@dataclass(frozen=True)
class Strip:
    """One kind of things over the days.

    Attributes:
        kind: see `KINDS`.
        name: what is so while all is well.
        days: of each its state, `well`, `worrying` or `open` where it was not looked at, and words.
        worrying: on how many days something worried.
        looked: on how many there was something to look at.
    """

    kind: str
    name: str
    days: tuple[tuple[str, str], ...]
    worrying: int
    looked: int


def production_page(store: Store, now: datetime) -> bytes:
    """Renders the page of what `regime_model_watch` has kept.

    Raises:
        OSError: if the models cannot be read.
    """
    production, kept = look_at_production(store), read_object(store.read(WATCH_FILE)) or {}
    metrics = production.metrics if production else {}
    days = list(kept.get("days") or ())[-_MOST_DAYS:]
    answered = [day for day in days if sum(day["regimes"].values())]
    shares = balances(
        [
            {"run_id": d["day"], "trained_at": d["day"], "class_counts": d["regimes"]}
            for d in answered
        ]
    )
    newest = moment(days[-1]["day"]) if days else None
    return render(
        "production_page.html.jinja",
        _SHEETS,
        where=store.where(),
        production=production,
        m=metrics,
        hold=read_hold(store),
        versions=differing_versions(metrics, {"versions": versions()}),
        states=sorted((kept.get("states") or {}).items(), key=lambda item: item[1]["since"]),
        truth=kept.get("truth") or {},
        days=days[::-1],
        turns=[day for day in days[::-1] if day["words"] or day["well"]],
        stale=newest is not None and now - newest > _STALE,
        features=kept.get("features") or {},
        told=words_of_features(kept.get("features") or {}),
        strips=strips_of(days),
        answers=balance_chart(shares, 1040, 300),
        small_answers=balance_chart(shares, 440, 300),
        age=lambda time: age(time, now),
    )


def words_of_features(features: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What stands out: which features lack values, and which has stood still for longest.

    Args:
        features: as `ml.watch.summary.freshness` gives them.
    """
    share = {name: of["missing"] for name, of in features.items() if of["missing"]}
    most = sorted(share, key=lambda name: -share[name])[:3]
    words = [f"{name} lacks a value in {percent(share[name])} of the rows." for name in most]
    if len(share) > 3:
        words.append(f"So do {len(share) - 3} more, in fewer.")
    usual = {name: of for name, of in features.items() if of["usual"]}
    longest = max(usual, key=lambda name: usual[name]["still"] / usual[name]["usual"], default=None)
    if longest and usual[longest]["still"] > _LONGER * usual[longest]["usual"]:
        of = usual[longest]
        words.append(
            f"{longest} has been the same for {span(of['still'])} ({of['longest']}), where "
            f"{span(of['usual'])} is usual."
        )
    elif usual:
        words.append(f"None has been the same for {_LONGER:g} times as long as usual.")
    return [*([] if share else ["Every row has a value of each."]), *words]


def strips_of(days: Sequence[Mapping[str, Any]]) -> list[Strip]:
    """How each kind of things stood from day to day, oldest first."""
    strips = []
    for kind, name in KINDS.items():
        cells = []
        for day in days:
            things = [thing for thing, of in day["worrying"].items() if of == kind]
            looked = day["judged"] and (kind not in _NEEDS or bool(day[_NEEDS[kind]]))
            state = "worrying" if things else "well" if looked else "open"
            words = ", ".join(things) or ("well" if looked else "nothing to look at")
            cells.append((state, f"{day['day']}: {words}"))
        worrying, well = (sum(s == state for s, _ in cells) for state in ("worrying", "well"))
        strips.append(Strip(kind, name, tuple(cells), worrying, worrying + well))
    return strips
