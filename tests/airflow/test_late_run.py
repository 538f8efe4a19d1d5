"""A run not finished in time tells so, once and only if nobody knows: in a running Airflow."""

import time
from collections.abc import Callable

import pytest

from tests.airflow.conftest import LATE, SETTLED, Place
from tests.services.scheduler import Airflow, wait_until

pytestmark = [pytest.mark.full, pytest.mark.filterwarnings("default"), pytest.mark.timeout(900)]


def test_late_run_tells_so_once_unless_it_failed_or_waits_for_a_person(
    place_at: Callable[[str], Place],
) -> None:
    place = place_at("late")
    airflow, before = place.airflow, len(place.chat)
    assert airflow.finished(LATE, airflow.trigger(LATE, embargo_hours=8000))[0] == "failed"

    waiting = airflow.trigger(LATE, require_approval=True)
    airflow.question(LATE, waiting, "approve_deployment")
    said = f"{waiting} is late and waits for a person"
    wait_until(lambda: _logged(airflow, said), "the deadline of the waiting run", 120)
    airflow.answer(LATE, waiting, "approve_deployment", "Reject")
    assert airflow.finished(LATE, waiting)[0] == "success"

    airflow.set_slots(0)
    late = airflow.trigger(LATE)
    wait_until(lambda: "⏰" in _kinds(place.told(before)), "the message of a late run", 120)
    airflow.set_slots(16)
    assert airflow.finished(LATE, late)[0] == "success"
    time.sleep(SETTLED)
    assert _kinds(place.told(before)) == ["❌", "✋", "🎯", "⏰", "🎯"]
    title, _, expected, state, *_ = place.told(before)[3].splitlines()
    assert title == "⏰ Regime Detection Model Training Late"
    assert expected.startswith("🕐 Expected by: 20")
    assert state == "State: check_data scheduled"


def _kinds(chat: list[str]) -> list[str]:
    return [text[0] for text in chat]


def _logged(airflow: Airflow, words: str) -> bool:
    return any(words in log.read_text("utf-8", "replace") for log in airflow.folder.rglob("*.log"))
