"""What each run came to outlives its candidate."""

import json

import pytest

from ml.registry.models import DAMAGED, HISTORY, read_history, remember, write_candidate
from tests.ml.test_registry import files

DECISION = {"deploy": False, "reasons": ["too low"], "thresholds": {"min_accuracy": 0.65}}


def test_run_whose_candidate_is_pruned_stays_in_the_history_with_its_numbers(store):
    for week in range(12):
        told = {"run_id": f"run{week}", "test_accuracy": week / 12, "decision": DECISION}
        write_candidate(store, f"run{week}", files(**told, profile={"rows": [0] * 999}))

    oldest = read_history(store)
    assert [run["run_id"] for run in oldest] == ["run0", "run1"]
    assert oldest[1]["test_accuracy"] == 1 / 12
    assert oldest[1]["decision"] == DECISION
    assert len(store.read(HISTORY)) < 2_000


def test_run_remembered_twice_stands_there_once(store):
    run = {"run_id": "r", "model_sha256": "a", "test_accuracy": 0.5}
    for _ in range(2):  # as after a kill between remembering and removing
        remember(store, [run, {"model_sha256": "names no run"}])
    assert [found["run_id"] for found in read_history(store)] == ["r"]


def test_history_keeps_the_newest_thousand(store):
    remember(store, [{"run_id": f"run{number}"} for number in range(1003)])
    runs = [run["run_id"] for run in read_history(store)]
    assert (len(runs), runs[0], runs[-1]) == (1000, "run3", "run1002")


@pytest.mark.parametrize("content", [b'[{"run_id": "r', b'{"run_id": "r"}', b"[1]"])
def test_history_that_cannot_be_read_is_put_aside_and_begins_anew(store, caplog, content):
    store.write(HISTORY, content)
    assert read_history(store) == ()
    assert store.read(DAMAGED) is None
    remember(store, [{"run_id": "next"}])
    assert [run["run_id"] for run in json.loads(store.read(HISTORY))] == ["next"]
    assert store.read(DAMAGED) == content
    assert "cannot be read" in caplog.text
