"""A rollback holds: nothing replaces what a person put back until a person says so."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest

from ml.errors import ModelError
from ml.json_files import as_json
from ml.registry.deployment import deploy_candidate, roll_back
from ml.registry.hold import HOLD, held, read_hold, release
from ml.registry.models import read_production, write_candidate
from ml.registry.names import PRODUCTION
from ml.registry.status import read_status, status_text
from tests.ml.report_example import example_metrics

NOW = datetime(2026, 11, 22, 2, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)


def anything(_model, _name):
    """A check that lets tests deploy what is no model."""


@pytest.fixture
def deploy(store):
    def run(run_id, model, at, **kwargs):
        sha256 = hashlib.sha256(model).hexdigest()
        metrics = example_metrics() | {"model_sha256": sha256, "run_id": run_id}
        write_candidate(store, run_id, {"model.onnx": model, "metrics.json": as_json(metrics)})
        return deploy_candidate(store, run_id, sha256, at, anything, **kwargs)

    return run


@pytest.fixture
def rolled_back(store, deploy):
    """A was in production, then B, and a person has put A back."""
    deploy("a", b"A", NOW - 2 * HOUR)
    deploy("b", b"B", NOW - HOUR)
    return roll_back(store, NOW, check=anything, by="on-call", why="lost money")


def test_hold_names_who_when_why_and_what_came_out(store, rolled_back):
    hold = read_hold(store)
    assert (hold.by, hold.why, hold.at) == ("on-call", "lost money", "2026-11-22T02:15:00+00:00")
    assert hold.removed_sha256 == hashlib.sha256(b"B").hexdigest()
    assert f"held          {hold}" in status_text(read_status(store), NOW)


def test_every_candidate_needs_a_person_and_the_same_model_is_named(store, rolled_back):
    (same,) = held(store, hashlib.sha256(b"B").hexdigest())
    (other,) = held(store, hashlib.sha256(b"C").hexdigest())
    assert "this is the very model that was taken out" in same
    assert "the very model" not in other
    assert "production was put back by hand on 2026-11-22 02:15 UTC by on-call" in other


@pytest.mark.parametrize("approved_at", [None, NOW - HOUR / 2])
def test_deployment_that_nobody_approved_since_is_refused(store, deploy, rolled_back, approved_at):
    """Also one that was judged, or approved, just before the rollback."""
    with pytest.raises(ModelError, match=r"put back by hand.*nobody has approved a model since"):
        deploy("b", b"B", NOW + HOUR, approved_at=approved_at)
    assert read_production(store).model == b"A"


def test_approved_deployment_ends_the_hold(store, deploy, rolled_back):
    assert deploy("b", b"B", NOW + HOUR, approved_at=NOW + HOUR).changed
    assert read_hold(store) is None
    assert deploy("a", b"A", NOW + 2 * HOUR).changed
    assert read_hold(store) is None


def test_release_lifts_the_hold_once_and_keeps_what_it_said(store, deploy, rolled_back):
    assert release(store, NOW + HOUR, "quant").by == "on-call"
    assert release(store, NOW + HOUR, "quant") is None
    kept = json.loads(store.read(HOLD))
    assert (kept["by"], kept["lifted_by"]) == ("on-call", "quant")
    assert deploy("b", b"B", NOW + HOUR).changed


def test_second_rollback_holds_too(store, rolled_back):
    roll_back(store, NOW + HOUR, check=anything, by="trader")
    assert read_production(store).model == b"B"
    assert read_hold(store).by == "trader"


def test_rollback_that_was_stopped_before_it_changed_production_holds_nothing(store, rolled_back):
    store.write(PRODUCTION, b"B")
    assert read_hold(store) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null"])
def test_damaged_hold_holds_until_it_is_lifted(store, deploy, rolled_back, content):
    store.write(HOLD, content)
    with pytest.raises(ModelError, match=r"hold.json is damaged"):
        deploy("b", b"B", NOW + HOUR)
    release(store, NOW + HOUR)
    assert deploy("b", b"B", NOW + HOUR).changed


def test_place_without_a_rollback_has_no_hold(store, deploy):
    assert read_hold(store) is None
    deploy("a", b"A", NOW)
    assert release(store, NOW) is None
    assert store.read(HOLD) is None
