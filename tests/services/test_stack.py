"""The compose stack from its image to a deployed model, every service run as a plain process."""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import requests

from docker.make_env import fill_secrets
from tests.dags.home import listening_chat
from tests.services.postgres import Postgres, postgres_program
from tests.services.server import REPOSITORY
from tests.services.stack import ADDRESSES, Stack, clickhouse_of

pytestmark = pytest.mark.full

API = f"http://{ADDRESSES['airflow-apiserver']}:8080"
DAG = "regime_model_training"
CHAT = {
    "TELEGRAM_BOT_TOKEN": "8102938475:AAtelegram-s3cr3t-of-this-test-0123",
    "TELEGRAM_ADMIN_CHAT_ID": "4711",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T0S3CR3T/B0S3CR3T/slacks3cr3tofthistest0123",
}
HEADER = "?+X-Key=apprise-s3cr3t-header"
CHAT_SECRETS = [
    b"telegram-s3cr3t",
    b"slacks3cr3t",
    b"T0S3CR3T",
    b"apprise-s3cr3t-password",
    b"apprise-s3cr3t-header",
]
STAYING = ("airflow-apiserver", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer")


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The stack with its image built, its two databases running, and Airflow's prepared."""
    if shutil.which("docker-compose") is None:
        pytest.skip("docker-compose is missing: apt-get install docker-compose")
    postgres_program("initdb")
    # Not below pytest's own folder, which each start of pytest closes to other users.
    folder = Path(tempfile.mkdtemp(prefix="stack-"))
    folder.chmod(0o755)
    example = (REPOSITORY / ".env.example").read_text(encoding="utf-8")
    (folder / ".env").write_text(fill_secrets(example), encoding="utf-8")
    stack = Stack(folder, "nobody" if os.getuid() == 0 else None)
    stack.build_image()
    postgres, clickhouse = _postgres(stack), None
    try:
        postgres.start()
        clickhouse = clickhouse_of(stack)
        yield stack
    finally:
        stack.stop()
        postgres.stop()
        if clickhouse:
            clickhouse.kill()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def chat(api: requests.Session) -> Iterator[list[str]]:
    """The messages at one channel; the two others are out of reach, as their hosts are here."""
    with pytest.MonkeyPatch.context() as patched, listening_chat(patched) as messages:
        listening = os.environ["AIRFLOW_VAR_APPRISE_URLS"]
        login = "json://robot:apprise-s3cr3t-password@"
        values = CHAT | {"APPRISE_URLS": listening.replace("json://", login) + HEADER}
        for key, value in values.items():
            _post(api, "variables", {"key": key, "value": value})
        yield messages


@pytest.fixture(scope="module")
def api(stack: Stack) -> requests.Session:
    """The REST interface of the running stack, logged in as the person of `.env`."""
    assert stack.run("airflow-init").returncode == 0
    for service in STAYING:
        stack.start(service)
    for service in STAYING:
        stack.wait_until_healthy(service)
    login = {"username": "admin", "password": stack.secrets["AIRFLOW_ADMIN_PASSWORD"]}
    token = requests.post(f"{API}/auth/token", json=login, timeout=30).json()["access_token"]
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    return session


def _post(api: requests.Session, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = api.post(f"{API}/api/v2/{path}", json=body, timeout=30)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def _get(api: requests.Session, path: str) -> dict[str, Any]:
    answer = api.get(f"{API}/api/v2/{path}", timeout=30)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def test_image_starts_airflow_and_has_its_bytecode(stack: Stack) -> None:
    assert "3.3" in stack.shell("airflow version")
    assert list((stack.folder / "app/pipeline/__pycache__").glob("settings.*.pyc"))
    assert list((stack.folder / "opt/venv").rglob("great_expectations/__pycache__/*.pyc"))


@pytest.mark.parametrize("service", ["postgres", "clickhouse"])
def test_database_is_healthy_by_its_own_check(stack: Stack, service: str) -> None:
    stack.wait_until_healthy(service, timeout=10)


def test_init_twice_keeps_what_people_changed(stack: Stack, api: requests.Session) -> None:
    changed = {"key": "SNAPSHOT_DATABASE", "value": "regime_snapshots", "description": "ours"}
    api.patch(f"{API}/api/v2/variables/SNAPSHOT_DATABASE", json=changed, timeout=30)
    again = stack.run("airflow-init")
    assert again.returncode == 0, again.stderr
    assert "Connection clickhouse_default: kept" in again.stdout
    assert _get(api, "variables/SNAPSHOT_DATABASE")["description"] == "ours"


def test_connection_and_variables_are_those_of_the_readme(api: requests.Session) -> None:
    connection = _get(api, "connections/clickhouse_default")
    shown = {name: connection[name] for name in ("conn_type", "host", "port", "login")}
    assert shown == {"conn_type": "http", "host": ADDRESSES["clickhouse"], "port": 9000} | {
        "login": "pipeline"
    }
    variables = {v["key"]: v["value"] for v in _get(api, "variables")["variables"]}
    assert set(variables) >= {"MODELS_DIR", "DATA_DOCS_DIR", "SNAPSHOT_DATABASE"}


def test_visitor_without_login_gets_nothing(api: requests.Session) -> None:
    assert requests.get(f"{API}/api/v2/connections", timeout=30).status_code == 401


def test_triggered_run_deploys_a_model_through_the_scheduler(
    stack: Stack, api: requests.Session, chat: list[str]
) -> None:
    loaded = stack.run("sample-market")
    assert loaded.returncode == 0, loaded.stderr[-3000:]
    api.patch(f"{API}/api/v2/dags/{DAG}", json={"is_paused": False}, timeout=30)
    state = _state_at_the_end(api)
    assert state == "success", stack.log_of("airflow-scheduler")[-5000:]
    # One of the run for last Sunday, which a DAG makes when it is switched on.
    assert [text[0] for text in chat] == ["🎯", "🎯"]
    model = stack.folder / "app/models/regime_detector.onnx"
    assert onnxruntime.InferenceSession(model).get_inputs()[0].name == "input"
    assert list((stack.folder / "app/data_docs/validations").rglob("*.html"))


def test_no_secret_stands_in_a_log_a_page_or_the_database(
    stack: Stack, api: requests.Session, chat: list[str]
) -> None:
    for name in CHAT:
        api.delete(f"{API}/api/v2/variables/{name}", timeout=30)
    assert _state_at_the_end(api, min_labeled_samples=1_000_000) == "failed"
    assert [text[0] for text in chat] == ["🎯", "🎯", "❌"]
    secrets = [
        value.encode()
        for name, value in stack.secrets.items()
        if name.endswith(("_PASSWORD", "_KEY", "_SECRET"))
    ]
    assert len(secrets) == 8
    secrets += CHAT_SECRETS
    shown = json.dumps(_get(api, "variables")).encode()
    for name, text in (("database", _dump(stack)), ("variables", shown)):
        assert b"APPRISE_URLS" in text
        assert not [secret for secret in secrets if secret in text], name
    logs = [file.read_bytes() for file in stack.folder.glob("opt/airflow/logs/**/*.log")]
    assert any(b"NOT delivered to Telegram" in log for log in logs)
    for place in ("opt/airflow", "app/data_docs", "app/models"):
        for file in (stack.folder / place).rglob("*"):
            content = file.read_bytes() if file.is_file() else b""
            assert not [secret for secret in secrets if secret in content], file
    for log in stack.folder.glob("*.log"):
        assert not [secret for secret in secrets if secret in log.read_bytes()], log


def _postgres(stack: Stack) -> Postgres:
    given = stack.services["postgres"]["environment"]
    return Postgres(stack.make_folder("db"), given, stack.user, ADDRESSES["postgres"])


def _dump(stack: Stack) -> bytes:
    file = stack.make_folder("db") / "dump.sql"
    postgres = _postgres(stack)
    postgres.run("pg_dump", "-f", file, postgres.given["POSTGRES_DB"])
    return file.read_bytes()


def _state_at_the_end(api: requests.Session, **conf: object) -> str:
    run = _post(api, f"dags/{DAG}/dagRuns", {"logical_date": None, "conf": conf})
    end = time.monotonic() + 400
    state = "queued"
    while state in {"queued", "running"} and time.monotonic() < end:
        time.sleep(2)
        state = str(_get(api, f"dags/{DAG}/dagRuns/{run['dag_run_id']}")["state"])
    return state
