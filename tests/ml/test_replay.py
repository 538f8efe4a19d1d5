"""Replayed Sundays: what each may see, that a kill loses nothing, and what rules are told by."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import inspect

from clickhouse.engine import opened
from ml.errors import ModelError
from ml.evaluation.promotion import Evidence, PromotionThresholds
from ml.evaluation.statistics import searched_leads
from ml.replay.findings import age_costs, compare_rules, kept_promises
from ml.replay.page import in_words, replay_page, replays_page, sentences
from ml.replay.plan import Plan
from ml.replay.rules import ALWAYS, NEVER, Candidate, History, Rule, follow, grid
from ml.training.forest import TrainingOptions
from tests.ml.replay_world import HOUR, changed, moments, of_labels, replayed

_EIGHT_TREES = TrainingOptions(trees=8)
COSTS = tuple(tuple(float(a != b) + 0.5 * (a < b) for b in range(7)) for a in range(7))
DEAR = tuple((10.0 * (a == 1), *(float(a == 0) for _ in range(6))) for a in range(7))
LOW = PromotionThresholds(min_accuracy=0.3, max_slice_loss=0.05, decision_costs=COSTS)
SAME = ("model_sha256", "data_fingerprint", "problem", "accuracy_interval")


@pytest.fixture(scope="module")
def plain(tmp_path_factory, market):
    """A replay of the market as it is, of both answers."""
    return replayed(tmp_path_factory.mktemp("plain"), market, answer="both", thresholds=LOW)


def _known_on(found, count):
    """All that a replay says of what its first Sundays knew."""
    told = [{name: line[name] for name in SAME} for line in found["sundays"][:count]]
    for lines in found["timelines"].values():
        told += [
            {key: line[key] for key in ("outcome", "asked", "live", "reasons", "notes")}
            for line in lines[:count]
        ]
    return told


def test_replay_of_rows_that_change_later_knows_nothing_of_it(tmp_path, market, plain) -> None:
    last = moments(plain)[-1]

    def spoil(rows):
        labels = rows["regime_label"].where(rows["regime_label"] == "", "volatile")
        return rows.assign(regime_label=labels, adx=1.0, btc_dominance=99.0)

    other = replayed(tmp_path, changed(market, last, spoil), answer="both", thresholds=LOW)
    assert _known_on(other, 4) == _known_on(plain, 4)
    # What is measured on these rows is another.
    assert other["timelines"]["yes"][3]["following"] != plain["timelines"]["yes"][3]["following"]
    weeks = [line["following"] for line in plain["timelines"]["yes"]]
    assert [line["following"] for line in other["timelines"]["yes"]][:3] == weeks[:3]


@pytest.mark.full
def test_feature_that_is_the_label_of_an_hour_later_lifts_no_choice(tmp_path, market) -> None:
    rng = np.random.default_rng(0)
    noise = market.assign(liquidations_24h=rng.integers(0, 7, len(market)) * 1000.0)
    codes = noise["regime_label"].astype("category").cat.codes
    ahead = codes.groupby(noise["symbol"]).shift(-1).fillna(0) * 1000.0
    without = replayed(tmp_path / "noise", noise, weeks=2, thresholds=LOW)
    last = moments(without)[-1]
    leaky = changed(
        noise.assign(ahead=ahead), last, lambda rows: rows.assign(liquidations_24h=rows["ahead"])
    ).drop(columns="ahead")
    leaked = replayed(tmp_path / "leak", leaky, weeks=2, thresholds=LOW)
    assert _known_on(leaked, 2) == _known_on(without, 2)
    # A rule that had looked at the week to come would be right far more often.
    best, usual = (max(rule["accuracy"] for rule in found["rules"]) for found in (leaked, without))
    assert best < usual + 0.03


@pytest.mark.slow
def test_feature_that_knows_the_next_hour_cannot_reach_over_the_embargo(tmp_path, market) -> None:
    codes = market["regime_label"].astype("category").cat.codes
    ahead = codes.groupby(market["symbol"]).shift(-1).fillna(0) * 1000.0
    leaky = market.assign(liquidations_24h=ahead)
    found = replayed(tmp_path / "leak", leaky, weeks=1, thresholds=LOW)
    (sunday,) = moments(found)
    # What its last hour knows of the hour after, the real run would know as well: no forest does.
    newest = (leaky["timestamp"] >= sunday - HOUR) & (leaky["timestamp"] < sunday)
    blind = leaky.assign(liquidations_24h=leaky["liquidations_24h"].mask(newest, 0.0))
    other = replayed(tmp_path / "blind", blind, weeks=1, thresholds=LOW)
    (one,), (two,) = found["sundays"], other["sundays"]
    assert one["data_fingerprint"] != two["data_fingerprint"]
    assert one["forest_sha256"] == two["forest_sha256"]


@pytest.mark.slow
def test_labels_younger_than_the_delay_are_not_used(tmp_path, market, plain) -> None:
    delay = timedelta(hours=72)
    given = {"weeks": 1, "label_delay": delay, "thresholds": LOW}
    found = replayed(tmp_path / "late", market, **given)
    last = moments(found)[-1]
    seen = market[(market["timestamp"] < last - delay) & (market["regime_label"] != "")]
    assert found["sundays"][-1]["total_samples"] == len(seen)
    assert found["sundays"][-1]["total_samples"] < plain["sundays"][-1]["total_samples"]

    def relabel(rows):
        young = (rows["timestamp"] < last) & (rows["regime_label"] != "")
        return rows.assign(regime_label=rows["regime_label"].mask(young, "range"))

    other = replayed(tmp_path / "other", changed(market, last - delay, relabel), **given)
    assert _known_on(other, 1) == _known_on(found, 1)
    assert other["sundays"][-1]["forest_sha256"] == found["sundays"][-1]["forest_sha256"]


def test_replayed_rule_of_today_deploys_what_the_timeline_deployed(plain) -> None:
    lines = plain["timelines"]["yes"]
    deployed = sum(line["outcome"] == "deployed" for line in lines)
    present, never, always = plain["rules"][:3]
    assert deployed - 1 == present["deployments"] <= always["deployments"]
    assert (never["deployments"], present["changes"], never["changes"]) == (
        *(0, {}),
        {"schedule": "never"},
    )
    rows = sum(line["following_rows"] for line in lines if line["live"] is not None)
    right = sum(line["following"]["live"] * line["following_rows"] for line in lines if rows)
    assert present["accuracy"] == pytest.approx(right / rows)


@pytest.mark.full
def test_killed_replay_goes_on_and_gives_the_same_bytes(tmp_path, market) -> None:
    replayed(tmp_path, market, weeks=5, thresholds=LOW, options=_EIGHT_TREES)
    out = tmp_path / "killed"
    command = [
        *(sys.executable, "-m", "ml", "replay", "--weeks", "5", "--trees", "8", "--out", str(out)),
        *("--min-accuracy", "0.3", "--max-slice-loss", "0.05"),
        *("--decision-costs", json.dumps(COSTS), "--url"),
        f"clickhouse+chdb:///default?path={tmp_path / 'clickhouse'}",
    ]
    killed = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
    until = time.monotonic() + 60
    while not list(out.glob(".unfinished/2*/fit.json")) and time.monotonic() < until:
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL and not (out / "replay.json").exists()
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "Sundays are trained already" in again.stderr and "left" in again.stderr
    assert "There are too few weeks to compare rules by" in again.stdout
    for name in ("replay.json", "replay.html"):
        assert (out / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    assert (
        sorted(path.name for path in out.iterdir()) == [".lock", "replay.html", "replay.json"][1:]
    )
    with pytest.raises(ModelError, match="holds a replay of another weeks"):
        replayed(tmp_path, market, "out", weeks=2, thresholds=LOW, options=_EIGHT_TREES)


def test_finished_replay_is_read_again_and_leaves_no_table_behind(tmp_path, market) -> None:
    first = replayed(tmp_path, market, weeks=1, thresholds=LOW)
    fewer = market[market["timestamp"] < moments(first)[0]]
    assert replayed(tmp_path, fewer, weeks=1, thresholds=LOW) == first
    with opened(f"clickhouse+chdb:///default?path={tmp_path / 'clickhouse'}") as engine:
        tables = inspect(engine).get_table_names()
    assert tables == ["regime_features"]
    with pytest.raises(ModelError, match="holds a replay of another max_slice_loss"):
        replayed(tmp_path, market, weeks=1, thresholds=replace(LOW, max_slice_loss=None))


def test_replay_without_rows_or_with_a_wrong_plan_says_what_to_do(tmp_path, market) -> None:
    with pytest.raises(ModelError, match="No Sunday can be replayed: 0 labelled rows"):
        replayed(tmp_path, market.assign(regime_label=""))
    with pytest.raises(ModelError, match="choose 1 week or more"):
        Plan(weeks=0)


def test_pages_of_a_replay_and_of_all_replays_show_what_it_says(tmp_path, plain) -> None:
    page = replay_page(plain).decode()
    assert all(line in page for line in plain["says"][1:]) and "a person says no" in page
    assert "No replay yet" in replays_page(tmp_path).decode()
    (tmp_path / "one").mkdir()
    assert "Not finished" in replays_page(tmp_path).decode()
    (tmp_path / "one" / "replay.json").write_text(json.dumps(plain), encoding="utf-8")
    assert "4 Sundays until Sun" in replays_page(tmp_path).decode()
    assert list(sentences({})) == [
        "No Sunday had enough labels to train on: label more, or replay later"
    ]


def _history(accuracies, weeks=30, rows=200, seed=0, fade=0.0):
    """Candidates of given accuracy, each judged on the three weeks before its Sunday."""
    rng = np.random.default_rng(seed)
    n = (weeks + 3) * rows
    samples = of_labels(np.zeros(n), "2026-01-04T02:00:00", 3024)
    luck = rng.random(n)
    candidates = []
    for week in range(weeks):
        start, end = week * rows, (week + 3) * rows
        age = np.maximum(0, np.arange(n) - end) / rows
        right = luck < accuracies[week] - fade * age
        count = int(right[start:end].sum())
        evidence = Evidence(end - start, count, 0, interval=(0.7, 0.8))
        train = {"train_start": "2025-01-01T00:00:00", "train_end": "2025-12-01T00:00:00"}
        named = (~right[start:]).astype(np.uint8)
        candidates.append(Candidate(evidence, slice(start, end), train, named))
    following = [slice((week + 3) * rows, (week + 4) * rows) for week in range(weeks)]
    return History(samples, following, candidates)


def test_rules_follow_schedule_threshold_and_answer() -> None:
    better = _history([0.70, 0.705, *[0.76] * 28])
    present = Rule(PromotionThresholds())
    assert follow(better, present, 0).live[:4] == (0, 1, 2, 2)
    asked = Rule(PromotionThresholds(min_improvement=0.02))
    assert follow(better, asked, 0).live[:4] == (0, 0, 2, 2)
    assert follow(better, Rule(present.thresholds, schedule="monthly"), 0).live[:6] == (
        *(0, 0, 0, 0),
        *(4, 4),
    )
    never = follow(better, Rule(present.thresholds, schedule=NEVER), 0)
    assert (set(never.live), never.deployments) == ({0}, 0)
    worse = _history([0.76, *[0.70] * 29])
    always = follow(worse, Rule(present.thresholds, schedule=ALWAYS), 0)
    assert (always.deployments, always.wrong) == (29, 1)
    assert follow(_history([0.70, *[0.76] * 29]), Rule(LOW, schedule=NEVER), 0).missed == 0
    strict = Rule(PromotionThresholds(min_improvement=0.5))
    assert follow(_history([0.70, *[0.76] * 29]), strict, 0).missed == 29
    assert len(list(grid(present))) == 3 + 4 * 4 * 3 + 4 * 3 * 3 * 3 * 3


def test_no_rule_knows_rows_that_follow_its_sundays() -> None:
    known, last = _history(list(np.linspace(0.6, 0.8, 30))), 10
    labels = known.samples.labels.copy()
    labels[known.weeks[last].start :] = 3
    spoiled = History(replace(known.samples, labels=labels), known.weeks, known.candidates)
    rules = list(dict.fromkeys(grid(Rule(LOW))))
    one, other = ([follow(of, rule, 0).live for rule in rules] for of in (known, spoiled))
    assert one != other
    assert [live[: last + 1] for live in one] == [live[: last + 1] for live in other]


@pytest.mark.parametrize(
    ("asked", "deployed"),
    [({}, True), ({"max_slice_loss": 0.2}, False), ({"decision_costs": DEAR}, False)],
)
def test_rule_asks_slices_and_costs_of_each_pair(asked, deployed) -> None:
    """The later model is right more often, but never names the second regime, which is dear."""
    labels = np.arange(900) % 10 == 0
    samples = of_labels(labels, "2026-01-04T02:00:00", 3600)
    train = {"train_start": "2025-01-01T00:00:00", "train_end": "2025-12-01T00:00:00"}
    old, new = (labels | (np.arange(900) % 4 == 1)).astype(np.uint8), np.zeros(900, np.uint8)
    candidates = [
        Candidate(Evidence(300, 200, 0), slice(start, start + 300), train, named[start:])
        for start, named in ((0, old), (300, new))
    ]
    history = History(samples, [slice(300, 600), slice(600, 900)], candidates)
    rule = Rule(PromotionThresholds(min_accuracy=0.3, **asked))
    assert history.deploys(1, 0, rule) is deployed


def test_better_setting_is_recommended_only_beyond_chance() -> None:
    fades = _history([0.75] * 40, weeks=40, fade=0.01)
    found = compare_rules(fades, Rule(PromotionThresholds(min_improvement=0.5)), 0)
    best = found["rules"][found["recommended"]]
    assert best["changes"] and best["interval"][0] > 0 and best["lead"] > 0.05
    equal = compare_rules(_history([0.75] * 40, weeks=40), Rule(PromotionThresholds()), 0)
    assert (equal["recommended"], equal["retraining"]["lead"]) == (0, 0)
    assert in_words(best["changes"]) == "always deploy"


def test_age_and_promises_are_counted_on_rows_that_follow() -> None:
    ages = age_costs(_history([0.75] * 30, fade=0.01))
    assert ages[0]["lead"] == 0 and ages[8]["interval"][1] < 0
    assert ages[8]["lead"] == pytest.approx(-0.08, abs=0.02)
    assert kept_promises(_history([0.75] * 30)) == {"held": 28, "told": 28}
    assert kept_promises(_history([0.95] * 30))["held"] == 0


def test_search_over_many_rules_widens_the_interval_and_finds_nothing_in_noise() -> None:
    rng = np.random.default_rng(1)
    rows, falsely = np.full(52, 100.0), 0
    for seed in range(60):
        leads = searched_leads(rng.normal(size=(40, 52)) * 4, rows, seed)
        falsely += bool(leads.low.max() > 0)
    assert falsely <= 8
    one = searched_leads(np.ones((1, 52)) + rng.normal(size=(1, 52)), rows)
    assert one.low[0] > 0 and searched_leads(np.ones((1, 7)), rows[:7]) is None
