"""The watch as arithmetic: what is found on a day, when it counts, and what is told of it."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from ml.contract import FEATURES, REGIMES
from ml.data.profile import profile_of
from ml.registry.names import WATCH_FILE
from ml.report.production_page import production_page
from ml.watch.day import Watched, confirmed, counted_blocks, go_on
from ml.watch.judging import judge_answers, judge_feeds, judge_inputs
from ml.watch.measures import correct_by_day, measure_answers, measure_inputs
from ml.watch.states import Finding, follow
from ml.watch.summary import freshness, summary_of
from ml.watch.truth import confidence_sequence, measure_truth, new_blocks

DAY = date(2026, 11, 27)
ALL_HOURS = 2**24 - 1
ODD = Finding("input adx", "input", "adx is odd", "See it")


def _days(count):
    return [DAY - timedelta(days=k) for k in range(count, 0, -1)]


def _feeds(**rows):
    return {name or "": [n, ALL_HOURS] for name, n in {"": sum(rows.values()), **rows}.items()}


def _turns(found, kind=ODD):
    """What is told of a thing that is found on some days, by the number of the day."""
    states, told = {}, {}
    for k, seen in enumerate(found):
        states, turn = follow(states, [kind] if seen else [], DAY + timedelta(days=k))
        told |= {k: "well" if turn.well else "worrying"} if turn else {}
    return told


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ("1111", {0: "worrying"}),
        ("1000", {0: "worrying", 3: "well"}),
        ("1001001", {0: "worrying"}),
        ("10001", {0: "worrying", 3: "well", 4: "worrying"}),
        ("0000", {}),
    ],
)
def test_thing_is_told_when_it_turns_and_not_while_it_flaps(found, told):
    assert _turns(c == "1" for c in found) == told


def test_thing_that_must_last_is_told_on_its_third_day_running():
    lasting = replace(ODD, days=3)
    assert _turns((True, True, False, True, True, True, True), lasting) == {5: "worrying"}


def test_what_follows_from_something_that_worries_is_not_told_again():
    answers = Finding("answers", "answers", "all range", "See it")
    late = Finding("input ema", "input", "ema is odd", "See it")
    states, turn = follow({}, [ODD, answers], DAY)
    assert set(turn.worrying) == {"input adx"} and states["answers"].worrying
    _, turn = follow(states, [ODD, late], DAY + timedelta(days=1))
    assert not turn
    _, turn = follow(states, [ODD, late], DAY + timedelta(days=5))
    assert set(turn.worrying) == {"input ema"}


def test_silent_symbol_and_table_are_found_by_what_is_usual_for_the_weekday():
    earlier = {day: {"feeds": _feeds(BTC=24, ETH=24)} for day in _days(28)}
    silent = {"feeds": {**_feeds(BTC=24), "ETH": [10, 2**10 - 1]}}
    (found,) = judge_feeds(DAY, silent, earlier)
    assert found.words == "ETH: no rows in 14 of 24 usual hours (from 10:00 UTC)"
    (found,) = judge_feeds(DAY, {"feeds": {"": [0, 0]}}, earlier)
    assert found.thing == "feed"
    # A market that rests at the weekend.
    weekdays = {day: facts for day, facts in earlier.items() if day.weekday() < 5}
    rests = {day: weekdays.get(day, {"feeds": {"": [0, 0]}}) for day in earlier}
    saturday = {"feeds": {"": [0, 0]}}
    assert list(judge_feeds(DAY + timedelta(days=1), saturday, rests)) == []


def test_rows_that_come_late_are_named_with_their_day():
    facts = {"feeds": _feeds(BTC=24), "late": {"2026-11-26": [96, 40], "2026-11-25": [96, 4]}}
    (found,) = judge_feeds(DAY, facts, {})
    assert found.words == "40 of 96 rows of 2026-11-26 came after that day was looked at"


@pytest.fixture
def rows(make_samples):
    """A day of two symbols that training has seen."""
    samples = make_samples(n=600)
    picked = samples.rows(slice(0, 48))
    profile = profile_of(samples)
    return profile, {
        "features": picked.features.copy(),
        "timestamps": picked.timestamps,
        "symbols": picked.symbols,
        "labels": picked.labels,
    }


def test_inputs_far_outside_and_inputs_that_stand_still_are_named(rows):
    profile, day = rows
    assert list(judge_inputs({"inputs": measure_inputs(day, profile, {})}, {}, profile)) == []
    day["features"][:, FEATURES.index("adx")] *= 100
    profile["features"]["support_breaks"]["whole"] = True
    stopped = {name: {"stopped": ["BTC"]} for name in ("funding_rate", "support_breaks")}
    facts = {"inputs": measure_inputs(day, profile, {}), "features": stopped}
    found = list(judge_inputs(facts, {}, profile))
    assert "input adx" in {finding.thing for finding in found}
    assert "funding_rate stands still for BTC" in {finding.words for finding in found}
    assert "input support_breaks" not in {finding.thing for finding in found}


def test_price_that_jumps_over_midnight_is_a_split(rows):
    profile, day = rows
    day["features"][:, FEATURES.index("ema_200")] = 50
    facts = measure_inputs(day, profile, {"last": {"BTC": 100.0, "ETH": 50.0}})
    assert facts["jumps"] == {"BTC": 0.5} and facts["last"] == {"BTC": 50.0, "ETH": 50.0}


def test_columns_that_change_places_for_all_symbols_at_once_are_named(rows):
    profile, day = rows
    one, other = FEATURES.index("adx"), FEATURES.index("bb_width")
    hours = np.arange(48) // 2
    day["features"][:, one] = 40 + np.sin(hours)
    day["features"][:, other] = 5 + np.cos(hours) / 10
    assert measure_inputs(day, profile, {})["exchanged"] == []
    day["features"][20:, [one, other]] = day["features"][20:, [other, one]]
    assert measure_inputs(day, profile, {})["exchanged"] == [["bb_width", "adx"]]


def test_columns_of_one_level_are_told_apart_by_how_they_move_and_by_the_day_before(rows):
    profile, day = rows
    rate, average = FEATURES.index("funding_rate"), FEATURES.index("funding_rate_ma")
    rng = np.random.default_rng(0)
    day["features"][:, rate] = rng.normal(0, 1e-4, 48)
    day["features"][:, average] = np.cumsum(rng.normal(0, 1e-6, 48)) + 1e-4
    before = measure_inputs(day, profile, {})
    day["features"][:, [rate, average]] = day["features"][:, [average, rate]]
    assert measure_inputs(day, profile, {})["exchanged"] == []
    found = measure_inputs(day, profile, before)["exchanged"]
    assert found == [["funding_rate", "funding_rate_ma"]]


def test_columns_that_changed_places_worry_until_they_change_back():
    exchanged = {"inputs": {"exchanged": [["bb_width", "adx"]]}}
    (found,) = judge_inputs(exchanged, {}, {})
    assert found.words.startswith("bb_width and adx have changed places")
    days = _days(10)
    later = {days[0]: exchanged} | {day: {"inputs": {"exchanged": []}} for day in days[1:]}
    (found,) = judge_inputs({"inputs": {"exchanged": []}}, later, {})
    assert found.thing == "columns bb_width and adx"
    assert list(judge_inputs(exchanged, later, {})) == []


def test_answers_count_runs_by_symbol_and_leave_out_what_is_not_finite(rows, model, session_of):
    _, day = rows
    day["features"][0, 0] = np.nan
    answers = measure_answers(day, session_of(model))
    assert (answers["rows"], answers["symbols"]) == (47, 2)
    assert sum(answers["regimes"]) == 47 and 2 <= answers["runs"] <= 47
    (day_found,) = {str(d) for d in day["timestamps"].astype("datetime64[D]")}
    assert correct_by_day(day, session_of(model))[day_found][0] == 47


@pytest.fixture
def session_of():
    from ml.onnx_model import load_model

    return load_model


def _answers(regimes, steady=(0,) * 7, symbols=4):
    counts = dict(zip(REGIMES, regimes, strict=True))
    return {
        "model": "m",
        "rows": sum(regimes),
        "symbols": symbols,
        "regimes": list(counts.values()),
        "steady": list(steady),
        "runs": 8,
        "tail": [6, 0.1],
        "confidence": 0.8,
    }


def test_one_regime_for_every_row_is_found_where_it_is_rare_alone():
    one = {"answers": _answers([0, 0, 96, 0, 0, 0, 0], (0, 0, 4, 0, 0, 0, 0))}
    mixed = _answers([20, 16, 20, 10, 10, 10, 10])
    earlier = {day: {"answers": mixed} for day in _days(28)}
    assert [f.thing for f in judge_answers(one, earlier, {})] == ["answers"]
    often = {**mixed, "steady": [0, 0, 2, 0, 0, 0, 0]}
    earlier = {day: {"answers": often} for day in _days(28)}
    assert list(judge_answers(one, earlier, {})) == []


def test_confidence_sequence_holds_at_all_looks_of_a_model_as_good_as_promised():
    rng = np.random.default_rng(0)
    drawn = rng.binomial(32, 0.8, (200, 60)) / 32
    assert sum(confidence_sequence(row)[1] < 0.8 for row in drawn) <= 1
    worse = [confidence_sequence(np.full(n, 0.1))[1] < 0.75 for n in range(12)]
    assert not any(worse[:4]) and all(worse[8:])


def test_each_label_counts_once_however_late_it_comes():
    blocks = new_blocks((), {"2026-11-25": (20, 15)})
    again = new_blocks(blocks, {"2026-11-25": (30, 20), "2026-11-26": (12, 12)})
    assert again == (("2026-11-25", 20, 15), ("2026-11-25", 10, 5), ("2026-11-26", 12, 12))
    assert new_blocks(again, {"2026-11-25": (30, 20)}) == again
    truth = measure_truth(again, {"accuracy_interval": [0.7, 0.9]})
    assert (truth["rows"], truth["right"], truth["worse"]) == (42, 32, False)


WELL = {"rows": 48, "feeds": _feeds(BTC=24, ETH=24)}
SILENT = {"rows": 24, "feeds": _feeds(BTC=24)}


def _look(days, others=()):
    return go_on(days, [], Watched(), (), others)


def test_claim_that_was_not_confirmed_is_told_on_the_next_day_only():
    days = {**dict.fromkeys(_days(28), WELL), DAY: SILENT}
    outcome = go_on(days, [DAY], Watched(), ())
    assert list(outcome.turn.worrying) == ["feed ETH"]
    killed = {**days, **outcome.facts}
    assert not _look(killed).turn
    tomorrow = DAY + timedelta(days=1)
    unsure = go_on({**killed, tomorrow: SILENT}, [tomorrow], Watched(), ())
    assert list(unsure.turn.worrying) == ["feed ETH"]
    sent = {**days, DAY: confirmed(outcome.facts[DAY]), tomorrow: SILENT}
    assert not go_on(sent, [tomorrow], Watched(), ()).turn


def test_second_look_on_a_day_tells_what_is_new_besides():
    days = {**dict.fromkeys(_days(28), WELL), DAY: SILENT}
    told = {**days, DAY: confirmed(go_on(days, [DAY], Watched(), ()).facts[DAY])}
    late = Finding("weekly run", "run", "the run is late", "See it")
    outcome = _look(told, [late])
    assert list(outcome.turn.worrying) == ["weekly run"]
    assert outcome.facts[DAY]["turn"]["worrying"] == ["feed ETH", "weekly run"]


def test_new_model_is_wanted_once_a_week_at_most_and_not_for_a_feed():
    worse = [("2026-11-26", 100, 0)] + [(f"2026-11-{k}", 100, 0) for k in range(10, 26)]
    watched = Watched("m", {"accuracy_interval": [0.7, 0.9]})
    days = {**dict.fromkeys(_days(28), WELL), DAY: WELL}
    outcome = go_on(days, [DAY], watched, worse)
    assert outcome.wants_training and outcome.facts[DAY]["wants_training"]
    before = {DAY - timedelta(days=3): {**WELL, "wants_training": True}}
    assert not go_on({**days, **before}, [DAY], watched, worse).wants_training
    assert not go_on({**days, DAY: SILENT}, [DAY], Watched(), ()).wants_training
    kept = {**days, **outcome.facts, DAY + timedelta(days=1): WELL}
    assert counted_blocks(kept, "m") == tuple(worse) and counted_blocks(kept, "n") == ()


def test_page_says_what_worries_since_when_and_escapes_names(store):
    page = production_page(store, datetime(2026, 11, 28, 1, tzinfo=UTC)).decode()
    assert "Not watched yet" in page
    days = {**dict.fromkeys(_days(28), WELL), DAY: {**SILENT}}
    odd = [Finding("feed <b>", "feed", "<b>: silent", "See it")]
    outcome = go_on(days, [DAY], Watched(), (), odd)
    kept = json.dumps(summary_of({**days, **outcome.facts})).encode()
    store.write(WATCH_FILE, kept)
    page = production_page(store, datetime(2026, 11, 28, 1, tzinfo=UTC)).decode()
    assert "2 things worry" in page and "&lt;b&gt;: silent" in page and "<b>" not in page
    assert "since Fri 27 Nov 2026" in page
    late = production_page(store, datetime(2026, 12, 2, 1, tzinfo=UTC)).decode()
    assert "Not watched since Fri 27 Nov 2026" in late


def _fresh(still, missing=0, rows=48):
    adx = {"missing": missing, "age": 3600, "still": still, "longest": "ET<H", "stopped": []}
    return {**WELL, "rows": rows, "features": {"adx": adx, "ema_9": adx | {"still": 3600}}}


def test_freshness_is_in_units_of_what_is_usual_and_days_of_older_versions_count_nothing():
    few = {day: _fresh(3600) for day in _days(2)}
    old = {day - timedelta(days=30): WELL for day in few}
    now = freshness({DAY: _fresh(7200, missing=12), **few, **old})
    known = {"missing": 0.25, "age": 3600, "still": 7200, "longest": "ET<H", "usual": None}
    assert now["adx"] == known
    usual = freshness({**{day: _fresh(1800) for day in _days(40)}, DAY: _fresh(7200)})
    assert usual["adx"]["usual"] == 1800
    added = _fresh(7200)
    added["features"] |= {"brand_new": added["features"]["adx"]}
    assert freshness({**few, DAY: added})["brand_new"]["usual"] is None
    assert freshness({DAY: WELL}) == {} and freshness({**few, DAY: SILENT}) == {}


@pytest.mark.parametrize(
    ("still", "missing", "words"),
    [
        (3600, 0, "Every row has a value of each."),
        (3600, 0, "None has been the same for 2 times as long as usual."),
        (36_000, 12, "adx has been the same for 10 h (ET&lt;H), where 1 h is usual."),
        (36_000, 12, "adx lacks a value in 25.0% of the rows."),
    ],
)
def test_page_says_which_features_are_missing_or_old_before_their_numbers(
    still, missing, words, store
):
    days = {**{day: _fresh(3600) for day in _days(28)}, DAY: _fresh(still, missing)}
    outcome = go_on(days, [DAY], Watched(), ())
    store.write(WATCH_FILE, json.dumps(summary_of({**days, **outcome.facts})).encode())
    page = production_page(store, datetime(2026, 11, 28, 1, tzinfo=UTC)).decode()
    assert f"<li>{words}</li>" in page and "<b>" not in page
    assert page.index(words) < page.index("× usual")
    assert f"<td>{still // 3600}.0</td>" in page
