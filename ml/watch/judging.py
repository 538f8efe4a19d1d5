"""Judges the facts of a day by those of earlier days and of training: facts in, findings out.

Bounds count blocks (a symbol's day, a run of one regime), not rows: neighbours are alike. They are
set so that twenty quiet markets of sixty days give no more than one message in all, over all their
checks (`benchmarks/watch.py`).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import takewhile
from statistics import median
from typing import Any, Final

import numpy as np
from scipy.stats import binom

from ml.contract import REGIMES
from ml.data.profile import psi
from ml.watch.states import Finding
from ml.words import percent

Facts = Mapping[str, Any]
Earlier = Mapping[date, Facts]
"""The days before, oldest first."""

_MONTH: Final = timedelta(days=28)
_USUAL: Final = 0.7
"""Share of the days like this one in which an hour has rows, from which on it usually has."""
_FEW_DAYS: Final = 3
_CHANCE: Final = 1e-6
"""That a bound is passed on a day of a quiet market."""
_CHANCE_OF_ONE: Final = 1e-5
"""The same of a day of one regime, of which there are few to be counted by."""
_SHIFTED: Final = 0.25
"""PSI from which a population has shifted (N. Siddiqi, Credit Risk Scorecards, 2006)."""
_TIMES: Final = 6
"""How many times further than ever a month must be: slow features wander (benchmarks/watch.py)."""
_BLOCK_DAYS: Final = 3
"""Days of a symbol that are one block: about as long as a regime lasts."""
_DAYS_OF_A_SHIFT: Final = 3
_LASTS: Final = 14
"""Days for which what happened at one moment is taken to last."""
_FREQUENT: Final = 0.25
"""Share of training from which on a value came often."""
_LATE: Final = 0.05
_FEW_ROWS: Final = 10
_SPREADS: Final = 6.0

_FEED: Final = "See what writes into regime_features"
_SOURCE: Final = (
    "Correct what writes these features into regime_features; the application reads them too"
)
_RETRAIN: Final = "See the page Production; label rows of these days, and let Sunday's run decide"


def judge_feeds(day: date, facts: Facts, earlier: Earlier) -> Iterator[Finding]:
    """Who fell silent, by what is usual for the hours of such a weekday; and what comes late.

    Args:
        day: the day.
        facts: its `feeds`, by symbol and under the empty name of all: rows, and hours as bits;
            `late`: of days looked at before, rows that were not there then.
        earlier: the days before.
    """
    feeds = facts["feeds"]
    usual = [past["feeds"] for past in _days_like(day, earlier)]
    if len(usual) >= 2:
        silent = {name: _silence(feeds.get(name), name, usual) for name in _names_of(usual)}
        words = {name: found for name, found in silent.items() if found}
        if "" in words:
            yield Finding("feed", "feed", f"regime_features: {words['']}", _FEED)
            words = {}
        for symbol, found in words.items():
            yield Finding(f"feed {symbol}", "feed", f"{symbol}: {found}", _FEED)
    for past, (rows, late) in sorted(facts.get("late", {}).items()):
        if late >= _FEW_ROWS and late > _LATE * rows:
            told = f"{late:,} of {rows:,} rows of {past} came after that day was looked at"
            yield Finding("late rows", "feed", told, _FEED)


def judge_inputs(facts: Facts, earlier: Earlier, profile: Facts) -> Iterator[Finding]:
    """What no market does, and what production has not seen.

    Args:
        facts: `broken`: rules of the data gate that do not hold, each with its words; `features`:
            freshness of each, see `clickhouse.watching`; and `inputs`, as `measures.measure_inputs`
            gives them.
        earlier: the days before.
        profile: of production's training rows; empty if nothing is known.
    """
    for rule in facts.get("broken", ()):
        yield Finding(
            f"rule {rule['rule']}", "input", f"{rule['rule']}: {rule['observed']}", _SOURCE
        )
    found = facts.get("inputs") or {}
    for symbol, factor in found.get("jumps", {}).items():
        words = f"ema_200 of {symbol} changed {factor:g} times from one row to the next"
        split = "A split or another unit: see what writes its prices, and write its history anew"
        yield Finding(f"price {symbol}", "input", words, split, well_after=_LASTS)
    for one, other in _exchanged((*_last(earlier, _MONTH), facts)):
        words = f"{one} and {other} have changed places: each goes on where the other was"
        yield Finding(f"columns {one} and {other}", "input", words, _SOURCE)
    for name, symbols in _stopped(facts, profile):
        words = f"{name} stands still for {_listed(symbols)}"
        yield Finding(f"input {name}", "input", words, _SOURCE)
    for name, out in found.get("outside", {}).items():
        low, high = out["range"]
        words = (
            f"{name} is far outside of what production was trained on for "
            f"{_listed(out['symbols'], out['count'])}: such as {out['example']:g}, where training "
            f"had {low:g} to {high:g}"
        )
        yield Finding(f"input {name}", "input", words, _SOURCE)
    yield from _shifts(facts, earlier, profile)


def judge_answers(facts: Facts, earlier: Earlier, metrics: Facts) -> Iterator[Finding]:
    """Answers that are all one, regimes that vanished or took over, and a fallen confidence.

    Args:
        facts: `answers` of the day, as `measures.measure_answers` gives them, with the `model`.
        earlier: the days before; those of another model are left out.
        metrics: of production; empty if nothing is known.
    """
    now = facts.get("answers")
    if not now or not now["rows"]:
        return
    same = [
        past["answers"]
        for past in _last(earlier, _MONTH)
        if past.get("answers") and past["answers"]["model"] == now["model"]
    ]
    yield from _one_answer(now, same)
    month = [*same, now]
    yield from _shares(month, metrics)
    yield from _confidence(now, same)


def judge_accuracy(truth: Facts | None) -> Iterator[Finding]:
    """Whether labels say that production is worse than it promised."""
    if truth and truth["worse"]:
        right = percent(truth["right"] / truth["rows"])
        words = (
            f"production is right on {right} of {truth['rows']:,} newly labelled rows (at most "
            f"{percent(truth['high'])}, however often one looks), and promised at least "
            f"{percent(truth['promised'])}"
        )
        yield Finding(
            "accuracy",
            "accuracy",
            words,
            "See whether labels mean what they meant; else trigger regime_model_training, or go "
            "back to a former model",
        )


def _days_like(day: date, earlier: Earlier) -> list[Facts]:
    """Earlier days of the same weekday; while there are too few, all; too few of all: none."""
    month = {d: facts for d, facts in earlier.items() if day - _MONTH <= d < day}
    same = [facts for d, facts in month.items() if d.weekday() == day.weekday()]
    if len(same) >= _FEW_DAYS:
        return same
    return list(month.values()) if len(month) >= _FEW_DAYS else []


def _names_of(usual: Sequence[Mapping[str, Any]]) -> list[str]:
    names = dict.fromkeys(name for feeds in usual for name in feeds)
    return [n for n in names if sum(n in feeds for feeds in usual) > len(usual) / 2]


def _silence(feed: Sequence[int] | None, name: str, usual: Sequence[Mapping[str, Any]]) -> str:
    """In which usual hours there is nothing, or how few rows there are; empty if all is well."""
    rows, hours = feed or (0, 0)
    past = [feeds.get(name, (0, 0)) for feeds in usual]
    least = _USUAL * len(past)
    expected = [h for h in range(24) if sum(mask >> h & 1 for _, mask in past) >= least]
    missing = [h for h in expected if not hours >> h & 1]
    typical = median(count for count, _ in past)
    few = rows < typical / 2 and rows < typical - _SPREADS * typical**0.5
    if expected and len(missing) >= max(1, len(expected) / 4):
        if not rows:
            return f"no rows on this day (usual are {typical:,.0f})"
        since = f"{missing[0]:02}:00 UTC"
        return f"no rows in {len(missing)} of {len(expected)} usual hours (from {since})"
    return f"{rows:,} rows, where {typical:,.0f} are usual" if few else ""


def _exchanged(days: Sequence[Facts]) -> list[tuple[str, str]]:
    """Pairs of columns that changed places, and have not changed back."""
    times = Counter(
        (str(one), str(other))
        for day in days
        for one, other in (day.get("inputs") or {}).get("exchanged", ())
    )
    return sorted(pair for pair, count in times.items() if count % 2)


def _stopped(facts: Facts, profile: Facts) -> Iterator[tuple[str, Sequence[str]]]:
    """Features that had one value for half a day, and in training none often; for which symbols."""
    for name, found in facts.get("features", {}).items():
        known = (profile.get("features") or {}).get(name)
        if not (found["stopped"] and known) or known["constant"] or known["whole"]:
            continue
        if max(known["counts"]) < _FREQUENT * sum(known["counts"]):
            yield name, found["stopped"]


def _shifts(facts: Facts, earlier: Earlier, profile: Facts) -> Iterator[Finding]:
    """Inputs that are further from training over a month than a month of training ever was.

    A month is the block here: days, and symbols of one day, are too much alike to be counted.
    """
    days = [past["inputs"] for past in (*_last(earlier, _MONTH), facts) if past.get("inputs")]
    if len(days) < _MONTH.days:
        return
    for name, entry in (profile.get("inputs") or {}).items():
        then, usual = np.array(entry["counts"]), entry.get("month_psi")
        counts = [day["bins"].get(name, ()) for day in days]
        if usual is None or any(len(count) != len(then) for count in counts):
            continue
        index = psi(np.sum(counts, axis=0), then)
        if index > _TIMES * max(_SHIFTED, usual):
            words = (
                f"{name} is distributed otherwise than in training over {len(days)} days "
                f"(PSI {index:.1f}; the oddest month of training had {usual:.1f})"
            )
            yield Finding(f"shift of {name}", "input", words, _RETRAIN, _DAYS_OF_A_SHIFT)


def _one_answer(now: Facts, same: Sequence[Facts]) -> Iterator[Finding]:
    """One regime for every row: as unlikely as that each symbol for itself has no other.

    How often a symbol is answered that one regime all day, the days of the month before say.
    """
    one = [k for k, rows in enumerate(now["regimes"]) if rows == now["rows"]]
    if not one:
        return
    running = list(takewhile(lambda past: past["regimes"][one[0]] == past["rows"], reversed(same)))
    others = same[: len(same) - len(running)]
    days = sum(past["symbols"] for past in others)
    if days < _FEW_DAYS * now["symbols"]:
        return
    often = (sum(past["steady"][one[0]] for past in others) + 1) / (days + len(REGIMES))
    alone = sum(day["symbols"] for day in (now, *running))
    if others and others[-1]["tail"][0] == one[0]:
        alone += others[-1]["tail"][1] * others[-1]["symbols"]
    if often**alone < _CHANCE_OF_ONE:
        words = f"production answers {REGIMES[one[0]]} for every row of {now['symbols']} symbols"
        remedy = (
            "See whether the market is so; else look at its inputs, and go back if they are well"
        )
        yield Finding("answers", "answers", words, remedy)


def _shares(month: Sequence[Facts], metrics: Facts) -> Iterator[Finding]:
    """Regimes that production names far more or less often than on its holdout, in runs."""
    confusion = metrics.get("confusion_matrix")
    blocks_then = int(metrics.get("holdout_runs") or 0)
    if not confusion or not blocks_then or len(month) < 7:
        return
    then = np.sum(confusion, axis=0)
    now = np.sum([day["regimes"] for day in month], axis=0)
    blocks = sum(day["symbols"] for day in month) / _BLOCK_DAYS
    for k, regime in enumerate(REGIMES):
        share, expected = now[k] / now.sum(), (then[k] + 1) / (then.sum() + len(REGIMES))
        # A share of the holdout is known to its own blocks only.
        spread = 4 * np.sqrt(expected * (1 - expected) / blocks_then)
        low, high = max(0.0, expected - spread), min(1.0, expected + spread)
        many = binom.sf(np.floor(share * blocks) - 1, int(blocks), high)
        few = binom.cdf(np.ceil(share * blocks), int(blocks), low)
        if min(many, few) < _CHANCE:
            words = (
                f"production answers {regime} for {percent(share)} of the rows of {len(month)} "
                f"days, on its holdout for {percent(then[k] / then.sum())}"
            )
            yield Finding(f"answers {regime}", "answers", words, _RETRAIN, _DAYS_OF_A_SHIFT)


def _confidence(now: Facts, same: Sequence[Facts]) -> Iterator[Finding]:
    past = np.array([day["confidence"] for day in same if day["confidence"] is not None])
    if len(past) < 14 or now["confidence"] is None:
        return
    middle = float(np.median(past))
    spread = max(0.02, 1.4826 * float(np.median(np.abs(past - middle))))
    if now["confidence"] < middle - _SPREADS * spread:
        seen, usual = percent(now["confidence"]), percent(middle)
        words = f"production's mean confidence is {seen}, usual is {usual}"
        yield Finding("confidence", "answers", words, _RETRAIN, _DAYS_OF_A_SHIFT)


def _last(earlier: Earlier, span: timedelta) -> list[Facts]:
    """The facts of the newest days, fewer by one than the span has."""
    return list(earlier.values())[-(span.days - 1) :]


def _listed(names: Sequence[str], count: int | None = None) -> str:
    shown, more = list(names[:5]), (count or len(names)) - len(names[:5])
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
