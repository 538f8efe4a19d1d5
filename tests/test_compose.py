"""The compose stack is safe by default, and its parts and the README agree."""

import base64
import doctest
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

import docker.init
from docker import healthy, make_env

REPOSITORY = Path(__file__).resolve().parent.parent
COMPOSE = (REPOSITORY / "docker-compose.yaml").read_text(encoding="utf-8")
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
EXAMPLE = (REPOSITORY / ".env.example").read_text(encoding="utf-8")
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
FILE: dict[str, Any] = yaml.safe_load(COMPOSE)
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
LISTED = dict(re.findall(r"^(\w+)=(.*)$", EXAMPLE, re.MULTILINE))
SECRETS = tuple(name for name, value in LISTED.items() if not value)
STAYING = {name: given for name, given in SERVICES.items() if given["restart"] != "no"}
USED = re.findall(r"\$\{(\w+)(:[-?])([^}]*)\}", COMPOSE)


def _config(env_file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("docker-compose") is None:
        pytest.skip("docker-compose is missing: apt-get install docker-compose")
    return subprocess.run(
        ["docker-compose", "--env-file", str(env_file), *arguments, "config"],
        cwd=REPOSITORY,
        env={name: value for name, value in os.environ.items() if name not in LISTED},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    """A `.env` as `make up` writes it."""
    shutil.copy(REPOSITORY / ".env.example", tmp_path)
    assert make_env.main(tmp_path) == 0
    return tmp_path / ".env"


def test_file_follows_the_compose_specification() -> None:
    checker = (sys.executable, "-m", "check_jsonschema", "--builtin-schema")
    checked = subprocess.run(
        [*checker, "vendor.compose-spec", "docker-compose.yaml"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


def test_file_is_complete_with_the_written_env(env_file: Path) -> None:
    resolved = _config(env_file, "--profile", "demo", "--profile", "celery")
    assert resolved.returncode == 0, resolved.stderr
    init = yaml.safe_load(resolved.stdout)["services"]["airflow-init"]["environment"]
    connection = json.loads(init["INIT_CONN_CLICKHOUSE_DEFAULT"])
    assert re.fullmatch(r"[0-9a-f]{64}", connection.pop("password"))
    assert connection == {"conn_type": "http", "host": "clickhouse", "port": 9000} | {
        "login": "pipeline"
    }


@pytest.mark.parametrize("secret", SECRETS)
def test_start_without_a_secret_fails_and_names_it(secret: str, env_file: Path) -> None:
    text = env_file.read_text(encoding="utf-8")
    env_file.write_text(re.sub(rf"^{secret}=.*$", f"{secret}=", text, flags=re.MULTILINE))
    resolved = _config(env_file, "--profile", "demo")
    assert resolved.returncode != 0
    assert f"{secret} is not set, run make up" in resolved.stderr


def test_no_secret_has_a_default() -> None:
    assert {name for name in LISTED if re.search(r"PASSWORD|SECRET|_KEY", name)} == set(SECRETS)
    for name, operator, message in USED:
        assert (operator == ":?") == (name in SECRETS), name
        assert operator == ":-" or message.startswith(f"{name} is not set")
    for service, given in SERVICES.items():
        for name, value in given.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|_KEY|SQL_ALCHEMY", name) and "USER_SETUP" not in name:
                assert ":?" in value, f"{service}: {name}"


def test_env_is_never_committed_nor_sent_to_the_builder() -> None:
    assert ".env" in (REPOSITORY / ".gitignore").read_text(encoding="utf-8").splitlines()
    ignored = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    assert "!.env" not in ignored


def test_every_variable_is_listed_and_used() -> None:
    # `make up` gives the commit; it is nobody's setting.
    settings = [used for used in USED if used[0] != "GIT_COMMIT"]
    assert {name for name, _, _ in settings} == set(LISTED)
    for name, operator, default in settings:
        assert operator == ":?" or default == LISTED[name]


def test_every_port_is_on_loopback() -> None:
    ports = [port for given in SERVICES.values() for port in given.get("ports", [])]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert "127.0.0.1:8080:8080" in SERVICES["airflow-apiserver"]["ports"]
    assert LISTED["AIRFLOW_BASE_URL"] == "http://localhost:8080"


def test_images_are_pinned_by_version_and_digest() -> None:
    foreign = {given["image"] for given in SERVICES.values() if "build" not in given}
    bases = re.findall(r"^ARG PYTHON=(\S+)", DOCKERFILE, re.MULTILINE)
    assert (len(foreign), len(bases)) == (3, 1)
    pinned = re.compile(r"\S+:\d+\.\d+\S*@sha256:[0-9a-f]{64}")
    assert all(pinned.fullmatch(image) for image in (*foreign, *bases))
    assert re.search(r"uv==\d+\.\d+\.\d+", DOCKERFILE)


def test_python_of_the_image_is_supported() -> None:
    (minor,) = re.findall(r"^ARG PYTHON=python:3\.(\d+)\.\d+-", DOCKERFILE, re.MULTILINE)
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    (low, high) = re.findall(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', project)[0]
    assert int(low) <= int(minor) < int(high)


def test_image_has_the_versions_that_are_tested() -> None:
    tested, image = _lock("requirements.txt"), _lock("requirements-image.txt")
    assert not {name for name, version in tested.items() if image.get(name, version) != version}
    text = (REPOSITORY / "requirements-image.txt").read_text(encoding="utf-8")
    assert not re.search(r"://|--index|--find-links| @ ", text)


def test_image_has_every_room_that_runs() -> None:
    copied = set(re.findall(r"^COPY (?!--)(\S+)", DOCKERFILE, re.MULTILINE))
    allowed = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert copied == {line[1:] for line in allowed if line.startswith("!")}
    needed = {"clickhouse", "dags", "docker", "expectations", "ml", "notifications", "pipeline"}
    assert copied >= needed | {"plugins", "sample_market", "LICENSE"}


def test_variables_name_the_volumes_and_the_database_of_the_readme() -> None:
    first = SERVICES["airflow-init"]["environment"]
    values = {name: first[f"INIT_VAR_{name}"] for name in ("MODELS_DIR", "DATA_DOCS_DIR")}
    assert values == {"MODELS_DIR": "/app/models", "DATA_DOCS_DIR": "/app/data_docs"}
    for service, mode in (("airflow-scheduler", ""), ("airflow-apiserver", ":ro")):
        assert f"models:/app/models{mode}" in SERVICES[service]["volumes"]
        assert f"data_docs:/app/data_docs{mode}" in SERVICES[service]["volumes"]
    database = first["INIT_VAR_SNAPSHOT_DATABASE"]
    created = (REPOSITORY / "docker/clickhouse/databases.sql").read_text(encoding="utf-8")
    assert f"CREATE DATABASE IF NOT EXISTS {database};" in created
    guide = (REPOSITORY / "docs/install.md").read_text(encoding="utf-8")
    section = guide.split("## With docker compose")[1].split("\n## ")[0]
    for word in (*values, *values.values(), database, FILE["volumes"]["models"]["name"]):
        assert f"`{word}`" in section, word
    for service in re.findall(r"docker-compose (?:exec(?: -T)?|logs) (\S+)", section):
        assert service.rstrip("`") in SERVICES


def test_workers_and_redis_are_there_only_with_their_profile(env_file: Path) -> None:
    assert {name for name, given in SERVICES.items() if given.get("profiles") == ["celery"]} == {
        *("redis", "airflow-worker")
    }
    with env_file.open("a", encoding="utf-8") as settings:
        settings.write("COMPOSE_PROFILES=celery\nAIRFLOW_EXECUTOR=CeleryExecutor\n")
    celery = yaml.safe_load(_config(env_file, "--profile", "celery").stdout)["services"]
    executors = {
        name: given["environment"]["AIRFLOW__CORE__EXECUTOR"]
        for name, given in celery.items()
        if name.startswith("airflow")
    }
    assert set(executors.values()) == {"CeleryExecutor"}
    worker = celery["airflow-worker"]
    # What can be scaled has no name, no port and the folders of the scheduler.
    assert not {"container_name", "ports"} & set(worker)
    assert worker["volumes"] == celery["airflow-scheduler"]["volumes"]
    password = celery["redis"]["environment"]["REDISCLI_AUTH"]
    broker = worker["environment"]["AIRFLOW__CELERY__BROKER_URL"]
    assert broker == f"redis://:{password}@redis:6379/0"
    assert not any(password in part for part in celery["redis"]["command"])


def test_redis_gives_a_message_out_again_only_after_any_task_has_ended() -> None:
    dag = (REPOSITORY / "dags/regime_model_training.py").read_text(encoding="utf-8")
    (hours,) = re.findall(r'"execution_timeout": timedelta\(hours=(\d+)\)', dag)
    given = FILE["x-airflow-environment"]
    visible = given["AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT"]
    assert int(visible) > int(hours) * 3600


def test_new_volumes_belong_to_the_user_of_the_image() -> None:
    airflow = [given for given in SERVICES.values() if "build" in given]
    mounts = [mount for given in airflow for mount in given.get("volumes", [])]
    (made,) = re.findall(r"install -d -o airflow -g airflow (.+)", DOCKERFILE)
    assert {mount.split(":")[1] for mount in mounts} <= set(made.split())


def test_mounted_files_exist_and_are_read_only() -> None:
    mounts = [mount for given in SERVICES.values() for mount in given.get("volumes", [])]
    files = [mount for mount in mounts if mount.startswith("./")]
    assert files
    for mount in files:
        source, _, mode = mount.split(":")
        assert (REPOSITORY / source).is_file(), source
        assert mode == "ro"


def test_clickhouse_has_the_passwords_of_its_users() -> None:
    given = SERVICES["clickhouse"]["environment"]
    users = (REPOSITORY / "docker/clickhouse/users.xml").read_text(encoding="utf-8")
    named = set(re.findall(r'from_env="(\w+)"', users))
    assert named == {name for name in given if name.endswith("_PASSWORD")}
    # These would change the administrator's password, in the server and in its client.
    assert not {"CLICKHOUSE_USER", "CLICKHOUSE_PASSWORD"} & set(given)


def test_settings_of_airflow_exist() -> None:
    from airflow.configuration import conf

    for name in FILE["x-airflow-environment"]:
        if name.startswith("AIRFLOW__"):
            _, section, option = name.lower().split("__")
            assert option in conf.configuration_description[section]["options"], name


def test_services_are_watched_restarted_limited_and_unprivileged() -> None:
    assert set(SERVICES) - set(STAYING) == {"airflow-init", "sample-market"}
    for name, given in SERVICES.items():
        assert ("healthcheck" in given) == (name in STAYING), name
        assert given["restart"] == ("unless-stopped" if name in STAYING else "no")
        assert given["security_opt"] == ["no-new-privileges"]
        assert given["cap_drop"] == ["ALL"]
        assert given["init"]
        assert ("build" in given) != (given.get("user", "root").split(":")[0] not in {"root", "0"})
    assert re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.MULTILINE) == ["50000"]


def test_stack_fits_a_machine_of_8_gigabytes() -> None:
    units = {"M": 1, "G": 1024}
    usual = [given for given in STAYING.values() if "profiles" not in given]
    limits = [given["deploy"]["resources"]["limits"]["memory"] for given in usual]
    assert sum(int(limit[:-1]) * units[limit[-1]] for limit in limits) <= 8 * 1024


def test_make_up_says_that_docker_is_missing() -> None:
    made = subprocess.run(
        ["make", "up", "COMPOSE="], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert made.returncode != 0
    assert "docker compose is missing" in made.stderr


def test_written_secrets_are_random_private_and_kept(env_file: Path) -> None:
    first = env_file.read_text(encoding="utf-8")
    values = dict(re.findall(r"^(\w+)=(.*)$", first, re.MULTILINE))
    secrets = {name: values[name] for name in SECRETS}
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600
    assert len(set(secrets.values())) == len(SECRETS) == 8
    assert len(base64.urlsafe_b64decode(secrets.pop("AIRFLOW_FERNET_KEY"))) == 32
    assert all(re.fullmatch(r"[0-9a-f]{64}", secret) for secret in secrets.values())
    assert {**values, **dict.fromkeys(SECRETS, "")} == LISTED

    assert make_env.main(env_file.parent) == 0
    assert env_file.read_text(encoding="utf-8") == first
    assert {file.name for file in env_file.parent.iterdir()} == {".env", ".env.example"}
    env_file.unlink()
    make_env.main(env_file.parent)
    assert env_file.read_text(encoding="utf-8") != first


def test_init_selects_what_it_adds() -> None:
    assert doctest.testmod(docker.init) == (0, 1)


@pytest.fixture
def airflow_address() -> Iterator[str]:
    """An address that tells of one healthy and one dead component, as Airflow's does."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else 503)
            self.end_headers()
            components = {"triggerer": {"status": "healthy"}, "scheduler": {"status": "unhealthy"}}
            self.wfile.write(json.dumps(components).encode())

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_healthcheck_tells_the_state(
    airflow_address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{airflow_address}/health"
    assert healthy.main(url) == healthy.main(url, "triggerer") == 0
    assert healthy.main(url, "scheduler") == 1
    assert "scheduler: unhealthy" in capsys.readouterr().err
    assert healthy.main(f"{airflow_address}/down") == 1
    assert healthy.main("http://127.0.0.1:1/health") == 1


def _lock(name: str) -> dict[str, str]:
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", text, re.MULTILINE))
