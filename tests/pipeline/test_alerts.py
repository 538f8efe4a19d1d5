"""Failure messages: with details where the task could speak, plain where it was killed, once."""

import json
import re
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clickhouse.errors import ClickHouseUnavailable
from notifications.message import Message
from pipeline import alerts
from tests.dags.small_models import deploy, small_candidates
from tests.notifications import conftest

receiver = conftest.receiver


class _Task:
    """A task instance as a callback sees it, with XComs in memory."""

    def __init__(self, try_number: int = 1) -> None:
        self.dag_id, self.run_id, self.task_id = "regime_model_training", "r", "train_model"
        self.try_number = try_number
        self.log_url = "http://airflow/log"
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value

    def xcom_pull(self, task_ids: str, key: str) -> Any:
        assert task_ids == self.task_id
        return self.xcoms.get(key)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts of the messages, and a process that remembers no earlier run."""
    texts: list[str] = []
    monkeypatch.setattr(alerts, "tell", lambda message, *_: texts.append(message.text))
    monkeypatch.setattr(alerts, "_told_here", set())
    return texts


def test_failed_task_tells_error_and_remedy_in_their_lines(told: list[str]) -> None:
    error = ClickHouseUnavailable("http://ch:8123/market", "Connection refused.")
    alerts.tell_of_failed_task({"ti": _Task(), "run_id": "r", "exception": error})
    assert told[0].startswith(
        "❌ Regime Detection Model Training Failed\n\nTask: train_model\nError: ClickHouse at "
        "http://ch:8123/market cannot be reached: Connection refused.\n\nSee that the server is up"
    )
    assert "Log: http://airflow/log" in told[0].splitlines()


def test_task_without_an_exception_leaves_the_message_to_the_run(told: list[str]) -> None:
    alerts.tell_of_failed_task({"ti": _Task(), "run_id": "r"})
    assert told == []


@pytest.mark.parametrize(
    ("dag_id", "title"),
    [("regime_model_training", "Training Failed"), ("regime_model_rollback", "Rollback Failed")],
)
def test_failure_names_the_work_that_failed(told: list[str], dag_id: str, title: str) -> None:
    context = {"ti": _Task(), "run_id": "r", "dag": SimpleNamespace(dag_id=dag_id)}
    alerts.tell_of_failed_task({**context, "exception": RuntimeError("boom")})
    alerts.tell_of_failed_run({**context, "run_id": "another", "reason": "timed_out", "ti": None})
    assert [text.splitlines()[0].endswith(title) for text in told] == [True, True]


def test_failed_run_is_silent_where_its_task_has_told_in_another_process(
    told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    context = {"ti": _Task(), "run_id": "r", "exception": RuntimeError("boom")}
    alerts.tell_of_failed_task(context)
    monkeypatch.setattr(alerts, "_told_here", set())
    alerts.tell_of_failed_run({**context, "reason": "failed"})
    assert len(told) == 1


def test_run_killed_after_an_earlier_try_has_told_tells_again(
    told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = _Task()
    alerts.tell_of_failed_task({"ti": task, "run_id": "r", "exception": RuntimeError("boom")})
    monkeypatch.setattr(alerts, "_told_here", set())
    task.try_number = 2
    alerts.tell_of_failed_run({"ti": task, "run_id": "r", "reason": "task_failure"})
    assert len(told) == 2


def test_failed_run_is_silent_where_its_task_has_told_in_this_process(told: list[str]) -> None:
    alerts.tell_of_failed_task({"ti": _Task(), "run_id": "r", "exception": RuntimeError("boom")})
    alerts.tell_of_failed_run({"ti": _Task(), "run_id": "r", "reason": "failed"})
    assert len(told) == 1


def test_run_of_a_killed_task_tells_that_it_was_probably_killed(told: list[str]) -> None:
    alerts.tell_of_failed_run({"ti": _Task(), "run_id": "r", "reason": "task_failure"})
    assert "Task: train_model\nError: The task's process was killed\n" in told[0]
    assert "then clear the task to retry" in told[0]


def test_run_that_took_too_long_says_so_even_without_a_task(told: list[str]) -> None:
    alerts.tell_of_failed_run({"run_id": "r", "reason": "timed_out"})
    assert "Error: The run took" in told[0] and "was stopped" in told[0]


@pytest.mark.parametrize("as_text", [True, False])
def test_apprise_connection_is_a_channel(monkeypatch: pytest.MonkeyPatch, as_text: bool) -> None:
    config = [{"path": "json://one/", "tag": "ops"}, {"path": "json://two/"}]
    extra = {"config": json.dumps(config) if as_text else config}
    connection = {"conn_type": "apprise", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_APPRISE_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW_VAR_APPRISE_URLS", "json://three/\njson://four/")
    channels = alerts.read_channels()
    assert channels.apprise_default == (("json://one/", "ops"), ("json://two/", ""))
    assert channels.apprise_urls == ("json://three/", "json://four/")


@pytest.mark.parametrize(
    "connection",
    [
        '{"conn_type": "apprise", "extra": {"config": ["json://one"]}}',
        '{"conn_type": "apprise", "extra": {"config": {"tag": "ops"}}}',
        '{"conn_type": "apprise", "extra": {"config": "json://one"}}',
        '{"conn_type": "apprise", "extra": {"config": 7}}',
        '{"conn_type": "apprise", "extra": [1]}',
        '{"conn_type": "apprise"}',
    ],
)
def test_apprise_connection_of_another_form_is_named_and_the_others_are_told(
    monkeypatch: pytest.MonkeyPatch, connection: str, receiver: Any, caplog: Any
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_APPRISE_DEFAULT", connection)
    monkeypatch.setenv("AIRFLOW_VAR_APPRISE_URLS", f"json://{receiver.address}")
    alerts.tell(Message("deployed", "Done", ("It works.",)))
    assert len(receiver.payloads) == 1
    assert "NOT delivered to the connection apprise_default" in caplog.text
    assert 'its extra must be {"config": [{"path"' in caplog.text


def test_setting_that_cannot_be_read_is_named_and_the_others_are_told(
    monkeypatch: pytest.MonkeyPatch, receiver: Any, caplog: Any
) -> None:
    def get(name: str, default: Any = None) -> Any:
        if name == "TELEGRAM_BOT_TOKEN":
            raise ValueError("a text with 123:secret")
        return f"json://{receiver.address}" if name == "APPRISE_URLS" else default

    monkeypatch.setattr(alerts.Variable, "get", get)
    alerts.tell(Message("deployed", "Done", ("It works.",)))
    assert len(receiver.payloads) == 1
    assert "TELEGRAM_BOT_TOKEN cannot be read (ValueError): enter it again" in caplog.text
    assert "secret" not in caplog.text


def test_failure_says_when_and_which_model_stays(
    told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_MODELS_DIR", str(tmp_path))
    context = {"ti": _Task(), "run_id": "r", "exception": OSError("disk full")}
    alerts.tell_of_failed_task(context)
    (model,) = small_candidates(1)
    deploy(tmp_path, model, datetime(2026, 11, 8, 3, tzinfo=UTC))
    alerts.tell_of_failed_task(context)
    monkeypatch.setenv("AIRFLOW_VAR_MODELS_DIR", "'quoted'")
    alerts.tell_of_failed_task(context)
    first, second, unknown = told
    assert re.search(r"\nHappened: \d{4}-\d\d-\d\d \d\d:\d\d UTC\n", first)
    assert "Production is unchanged: there is no model yet." in first
    accuracy = f"{model.metrics['test_accuracy']:.1%}"
    assert f"Production is unchanged: {accuracy}, live since 2026-11-08." in second
    assert "Happened: " in unknown and "Production is" not in unknown


def test_store_that_does_not_answer_keeps_no_message_waiting(
    told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_MODELS_DIR", str(tmp_path))
    monkeypatch.setattr(alerts, "_GLANCE", 0.2)
    ended = threading.Event()
    monkeypatch.setattr("ml.registry.models.read_production", lambda _: ended.wait(60))
    began = time.monotonic()
    alerts.tell_of_failed_task({"ti": _Task(), "run_id": "r", "exception": OSError("gone")})
    ended.set()
    assert time.monotonic() - began < 20
    assert "Happened: " in told[0] and "Production is" not in told[0]


def test_failed_task_keeps_what_the_run_came_to(told: list[str]) -> None:
    task = _Task()
    alerts.tell_of_failed_task({"ti": task, "run_id": "r", "exception": OSError("disk full")})
    assert task.xcoms[alerts.CAME_TO] == ["failed", "disk full"]
