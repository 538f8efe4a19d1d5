"""The DAG `regime_model_watch` through the real Airflow, on a real market and a real model."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import text

from clickhouse.watching import DAYS_TABLE, read_days, write_day
from pipeline.dag_defaults import TRAINING
from pipeline.weekly_run import due_run
from tests.dags.home import Home, Run
from tests.dags.looks import KILL_POINTS, look_at_once
from tests.dags.small_models import deploy, market_candidate

pytestmark = pytest.mark.filterwarnings("default")

DAG = "regime_model_watch"
DAYS = 10
SILENT = "⚠️ ETHUSDT: no rows on this day (usual are 24)"


@pytest.fixture(scope="module")
def candidate(market):
    return market_candidate(market)


@pytest.fixture
def watched(home: Home, market, candidate) -> Home:
    """A home with a market up to last midnight, and a model trained on it."""
    home.load(market[market["timestamp"] >= market["timestamp"].max() - pd.Timedelta(days=DAYS)])
    deploy(home.models, candidate, datetime.now(UTC))
    return home


def _sql(home: Home, *statements: str) -> list[Any]:
    engine = home.open()
    with engine.connect() as connection:
        found = [connection.execute(text(one)) for one in statements][-1]
        rows = found.all() if found.returns_rows else []
    engine.dispose()
    return rows


def _look(home: Home) -> Run:
    run = home.run(dag_id=DAG)
    assert (run.state, run.tasks) == ("success", {"watch_model": "success"}), run.log[-3000:]
    return run


def _days(home: Home) -> dict[Any, Any]:
    engine = home.open()
    days = read_days(engine, None)
    engine.dispose()
    return days


def _forget(home: Home, days: str) -> None:
    """Takes what is known of some days."""
    _sql(home, f"ALTER TABLE {DAYS_TABLE} DELETE WHERE {days} SETTINGS mutations_sync = 2")


def _silence(home: Home, symbol: str = "ETHUSDT") -> None:
    """Takes yesterday's rows of a symbol."""
    yesterday = "toDate(now('UTC')) - 1"
    _sql(
        home,
        f"ALTER TABLE regime_features DELETE WHERE symbol = '{symbol}' AND toDate(timestamp, 'UTC')"
        f" = {yesterday} SETTINGS mutations_sync = 2",
    )


def test_quiet_day_says_nothing_and_a_silent_symbol_says_so_once(watched, chat):
    _look(watched)
    assert chat == []
    days = _days(watched)
    assert len(days) == DAYS and [facts["rows"] for facts in days.values()] == [96] * DAYS
    page = json.loads((watched.models / "watch.json").read_text("utf-8"))
    assert page["states"] == {} and page["days"][-1]["judged"]

    _silence(watched)
    _sql(
        watched,
        f"ALTER TABLE {DAYS_TABLE} DELETE WHERE day = today() - 1 SETTINGS mutations_sync = 2",
    )
    run = _look(watched)
    assert run.xcoms["watch_model return_value"]["worrying"] == ["feed ETHUSDT"]
    (message,) = chat
    assert message.splitlines()[0] == "🔎 Regime Detection Model Worrying"
    assert SILENT in message.splitlines()
    assert "/regime-model/production" in message

    _look(watched)
    assert len(chat) == 1
    assert _sql(watched, f"SELECT count() FROM {DAYS_TABLE} FINAL")[0][0] == DAYS


def test_without_a_model_and_rows_it_says_so_and_succeeds(home, market, chat):
    home.load(market.iloc[:0])
    run = _look(home)
    assert "There is no model in production yet" in run.log
    assert "no rows of a whole day yet" in run.log
    assert chat == []


def test_missed_days_are_looked_at_one_by_one_and_late_rows_again(watched, market, chat):
    _look(watched)
    last = max(_days(watched))
    _sql(
        watched,
        f"ALTER TABLE {DAYS_TABLE} DELETE WHERE day > today() - 4 SETTINGS mutations_sync = 2",
    )
    (kept,) = _sql(watched, f"SELECT facts FROM {DAYS_TABLE} FINAL WHERE day = today() - 4")
    fewer = {**json.loads(kept[0]), "rows": 50}
    engine = watched.open()
    write_day(engine, None, last - timedelta(days=3), fewer)
    engine.dispose()
    _look(watched)
    days = _days(watched)
    assert max(days) == last and len(days) == DAYS
    assert all("worrying" in days[last - timedelta(days=k)] for k in range(3))
    assert days[last]["late"] == {(last - timedelta(days=3)).isoformat(): [96, 46]}
    assert [facts["rows"] for facts in days.values()] == [96] * DAYS
    (message,) = chat
    assert f"46 of 96 rows of {last - timedelta(days=3)} came after" in message


@pytest.mark.full
@pytest.mark.parametrize(("point", "messages"), KILL_POINTS)
def test_look_killed_anywhere_tells_no_message_twice(watched, chat, point, messages):
    _silence(watched)
    ((code, errors),) = look_at_once(1, point)
    assert code == -signal.SIGKILL, errors[-2000:]
    _look(watched)
    assert len(chat) == messages
    assert _sql(watched, f"SELECT count() FROM {DAYS_TABLE} FINAL")[0][0] == DAYS


def test_weekly_run_that_did_not_come_is_told_once(watched, candidate, chat):
    old = candidate.metrics | {"trained_at": (datetime.now(UTC) - timedelta(days=15)).isoformat()}
    deploy(watched.models, replace(candidate, metrics=old), datetime.now(UTC))
    run = _look(watched)

    assert run.xcoms["watch_model return_value"]["worrying"] == ["weekly run"], run.log[-3000:]
    (message,) = chat
    assert f"the run of {due_run(datetime.now(UTC)):%a %d %b %H:%M} UTC did not come" in message
    _look(watched)
    assert len(chat) == 1


@contextmanager
def _weekly_run(due: datetime, tasks: dict[str, str], state: str = "running") -> Iterator[None]:
    """The run that the scheduler makes of a Sunday, with the states of its tasks."""
    from airflow.models.dagbag import DBDagBag
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    with create_session() as session:
        dag = DBDagBag().get_latest_version_of_dag(TRAINING, session=session)
        name = dag.timetable.generate_run_id(
            run_type=DagRunType.SCHEDULED, run_after=due, data_interval=None
        )
        run = dag.create_dagrun(
            run_id=name,
            logical_date=due,
            data_interval=(due, due),
            run_after=due,
            run_type=DagRunType.SCHEDULED,
            triggered_by=DagRunTriggeredByType.TIMETABLE,
            state=state,
            session=session,
        )
        for instance in run.task_instances:
            instance.state = tasks.get(instance.task_id)
    yield
    with create_session() as session:
        session.delete(session.query(DagRun).filter_by(dag_id=TRAINING, run_id=name).one())


def test_weekly_run_that_is_late_is_told_once_with_what_it_waits_for(watched, chat):
    _look(watched)
    due = due_run(datetime.now(UTC))
    with _weekly_run(due, {"check_data": "success", "train_model": "running"}):
        run = _look(watched)
        _look(watched)

    assert run.xcoms["watch_model return_value"]["worrying"] == ["weekly run"], run.log[-3000:]
    (message,) = chat
    assert f"the run of {due:%a %d %b %H:%M} UTC is late: train_model running" in message


@pytest.mark.parametrize(
    ("task", "state"), [("awaiting_input", "running"), ("failed", "failed"), ("success", "success")]
)
def test_weekly_run_that_waits_for_a_person_or_has_ended_is_not_late(watched, chat, task, state):
    _look(watched)
    with _weekly_run(due_run(datetime.now(UTC)), {"approve_deployment": task}, state):
        _look(watched)
    assert chat == []


def test_watch_removes_snapshots_that_are_too_old(watched, chat):
    old = "regime_snapshot_of_long_ago_0123abcd"
    comment = json.dumps({"frozen_at": (datetime.now(UTC) - timedelta(days=100)).isoformat()})
    _sql(watched, f"CREATE TABLE {old} (a UInt8) ENGINE = Memory COMMENT '{comment}'")
    _look(watched)

    assert _sql(watched, "SHOW TABLES LIKE 'regime_snapshot%'") == []
