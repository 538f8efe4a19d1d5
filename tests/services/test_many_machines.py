"""Airflow on several machines: one is lost in the middle of its work, and the run ends well."""

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from cryptography.fernet import Fernet
from tabulate import tabulate

from clickhouse.engine import opened
from clickhouse.schema import apply_schema
from sample_market.loading import insert
from tests.services.machines import Machine, redis_of, switch_on
from tests.services.metrics import listening_statsd
from tests.services.postgres import Postgres, postgres_program
from tests.services.scheduler import Airflow, running_airflow, wait_until
from tests.services.server import REPOSITORY, GivenServer, Server, free_port
from tests.services.ways import server_way

pytestmark = [pytest.mark.full, pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]

DAG = "regime_model_training"
COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yaml").read_text("utf-8"))
IN_THE_MIDDLE = "cross-validating in time"
"""What train_model logs when its forest has grown and nothing is written yet."""


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    postgres_program("initdb")
    user = "nobody" if os.getuid() == 0 else None
    # Not below pytest's own folder, which is closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="machines-"))
    if user:
        shutil.chown(folder, user)
    given = {"POSTGRES_USER": "airflow", "POSTGRES_DB": "airflow", "POSTGRES_PASSWORD": "pg"}
    started = Postgres(folder, given, user, port=free_port())
    started.start()
    yield started
    started.stop()
    shutil.rmtree(folder)


@pytest.fixture
def dags(tmp_path: Path) -> Path:
    """The real DAG; after a lost worker its retry waits seconds, not a minute."""
    text = (REPOSITORY / "dags" / f"{DAG}.py").read_text(encoding="utf-8")
    text = text.replace('"0 2 * * 0"', "None")
    text = text.replace("**RETRIES,", '**RETRIES, "retry_delay": timedelta(seconds=2),')
    assert "seconds=2" in text
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / f"{DAG}.py").write_text(text, encoding="utf-8")
    return tmp_path / "dags"


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """What arrived last at a StatsD of Airflow's metrics, by name."""
    with listening_statsd() as (port, metrics):
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "True")
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_HOST", "127.0.0.1")
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_PORT", str(port))
        yield metrics


@pytest.fixture
def airflow(
    tmp_path: Path,
    dags: Path,
    postgres: Postgres,
    s3: Any,
    server: Server | GivenServer,
    places: tuple[str, str],
    market: pd.DataFrame,
    # In the environment before anything is started.
    chat: list[str],
    metrics: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Airflow]:
    """Airflow's own services; ClickHouse, models and logs are where each machine reaches them."""
    way = server_way(server, "native", *places)
    with opened(way.owner) as engine:
        apply_schema(engine)
        insert(engine, market)
    amazon = {"conn_type": "aws", "login": "key", "password": "secret"}
    amazon["extra"] = json.dumps({"endpoint_url": s3.endpoint_url})
    secrets = {"AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode()}
    for name in ("AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET"):
        secrets[name] = "s3cr3t" * 10
    with redis_of(COMPOSE["services"]["redis"], tmp_path / "redis") as broker:
        settings = _settings_of_compose() | {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CELERY__BROKER_URL": broker,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{postgres.url}",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgres.url,
            "AIRFLOW__LOGGING__REMOTE_LOGGING": "True",
            "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER": "s3://models/logs",
            "AIRFLOW__LOGGING__REMOTE_LOG_CONN_ID": "my_s3",
            "AIRFLOW_CONN_MY_S3": json.dumps(amazon),
            "AIRFLOW_CONN_CLICKHOUSE_DEFAULT": json.dumps(way.connection),
            "AIRFLOW_VAR_MODELS_DIR": "s3://my_s3@models/shared",
            **{f"AIRFLOW_VAR_{name}": value for name, value in way.variables.items()},
        }
        for name, value in (secrets | settings).items():
            monkeypatch.setenv(name, value)
        with running_airflow(tmp_path / "airflow", dags) as started:
            # Where a task finds Airflow: scheduler and workers are told alike.
            execution = f"{started.address}/execution/"
            monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", execution)
            yield started


@pytest.fixture
def machines(airflow: Airflow, tmp_path: Path, dags: Path) -> Iterator[dict[str, Machine]]:
    started = {name: switch_on(name, tmp_path / name, dags) for name in ("worker-a", "worker-b")}
    yield started
    for machine in started.values():
        machine.stop()


def _settings_of_compose() -> dict[str, str]:
    """How the compose stack notices lost workers."""
    given: dict[str, str] = COMPOSE["x-airflow-environment"]
    lost = r"AIRFLOW__(SCHEDULER__TASK|CELERY)_\w+"
    return {name: value for name, value in given.items() if re.fullmatch(lost, name)}


def _tries(airflow: Airflow, run_id: str) -> list[dict[str, Any]]:
    run = f"dags/{DAG}/dagRuns/{run_id}/taskInstances"
    tasks = [task["task_id"] for task in airflow.get(run)["task_instances"]]
    tries = [one for task in tasks for one in airflow.get(f"{run}/{task}/tries")["task_instances"]]
    return sorted(tries, key=lambda one: str(one["start_date"]))


def test_worker_killed_while_it_trains_costs_time_but_no_model_and_no_message(
    airflow: Airflow,
    machines: dict[str, Machine],
    chat: list[str],
    metrics: dict[str, str],
    s3: Any,
) -> None:
    began = time.monotonic()
    airflow.unpause(DAG)
    run_id = airflow.trigger(DAG)

    def at_work() -> Machine | None:
        assert all(machine.process.poll() is None for machine in machines.values())
        return next((m for m in machines.values() if IN_THE_MIDDLE in m.log("train_model")), None)

    wait_until(lambda: at_work() is not None, "train_model to be in the middle", 150)
    lost = at_work()
    assert lost is not None
    killed_at = datetime.now(UTC)
    lost.power_off()
    assert not s3.exists(f"models/shared/candidates/{run_id}") and chat == []

    state, tasks = airflow.finished(DAG, run_id)
    tries = _tries(airflow, run_id)
    events = airflow.get("assets/events")["asset_events"]
    _print_timeline(tries, lost.name, killed_at, events, chat, time.monotonic() - began)

    assert state == "success"
    assert tasks["deploy_model"] == tasks["notify_success"] == "success"
    training = [one for one in tries if one["task_id"] == "train_model"]
    assert [(one["hostname"], one["state"]) for one in training] == [
        (lost.name, "failed"),
        (next(name for name in machines if name != lost.name), "success"),
    ]
    others = [one for one in tries if one["task_id"] not in {"train_model", "skip_deployment"}]
    assert all(one["try_number"] == 1 for one in others)
    assert [(one["extra"]["run_id"], one["extra"]["changed"]) for one in events] == [(run_id, True)]
    facts = json.loads(s3.cat_file("models/shared/regime_detector_metrics.json"))
    assert facts["run_id"] == run_id
    assert s3.exists("models/shared/regime_detector.onnx")
    assert not s3.exists("models/shared/backups")
    time.sleep(10)
    assert len(chat) == 1 and "✅ Status: SUCCESS" in chat[0]
    # Told by tasks on both machines.
    assert metrics["airflow.regime_model.labelled_rows"] == "2000|g"
    assert metrics["airflow.regime_model.accuracy"] == f"{facts['test_accuracy']}|g"
    # The machine is gone with its disk; what the other one did can be read by everybody.
    shutil.rmtree(lost.folder)
    log = airflow.get(f"dags/{DAG}/dagRuns/{run_id}/taskInstances/train_model/logs/2")
    assert IN_THE_MIDDLE in json.dumps(log)


def _print_timeline(
    tries: list[dict[str, Any]],
    lost: str,
    killed_at: datetime,
    events: list[dict[str, Any]],
    chat: list[str],
    seconds: float,
) -> None:
    rows = [(killed_at.isoformat(), "power off", lost, "killed", "")]
    for one in tries:
        what = f"{one['task_id']}, try {one['try_number']}"
        took = f"{one['duration'] or 0:.1f} s"
        rows.append((str(one["start_date"]), what, one["hostname"], one["state"], took))
    rows += [(e["timestamp"], "deployed", "", e["extra"]["sha256"][:8], "") for e in events]
    table = [(when[11:23], *rest) for when, *rest in sorted(rows)]
    total = f"{len(events)} deployment(s), {len(chat)} message(s), {seconds:.0f} s in all"
    shown = tabulate(table, headers=("at", "what", "where", "state", "took"))
    print(f"{shown}\n{total}")  # noqa: T201 - shown by pytest -rP
