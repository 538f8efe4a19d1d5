"""A machine with the compose stack's databases, models and `.env`, that can be destroyed."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import URL, create_engine, text

from clickhouse.engine import opened
from tests.services.postgres import Postgres, postgres_program
from tests.services.server import PASSWORDS, REPOSITORY, Server, free_port

DAG = "regime_model_training"
LOGIN = {"POSTGRES_USER": "airflow", "POSTGRES_DB": "airflow", "POSTGRES_PASSWORD": "pg"}


@dataclass
class Site:
    """A machine with the compose stack's two databases, its models and its `.env`.

    Attributes:
        folder: everything there is of it.
        backup: what lies elsewhere.
        user: ordinary user that runs PostgreSQL; None if the tests have no right to choose.
        ports: of PostgreSQL and of ClickHouse, native and HTTP; the same after a disaster.
    """

    folder: Path
    backup: Path
    user: str | None
    ports: tuple[int, int, int] = field(
        default_factory=lambda: (free_port(), free_port(), free_port())
    )

    def __post_init__(self) -> None:
        self.start()

    @property
    def models(self) -> Path:
        return self.folder / "models"

    @property
    def production(self) -> bytes:
        return (self.models / "regime_detector.onnx").read_bytes()

    def clickhouse_url(self, user: str) -> URL:
        password = PASSWORDS.get(f"CLICKHOUSE_{user.upper()}_PASSWORD", "")
        return self.clickhouse.url("native", user, password)

    def start(self) -> None:
        """Makes empty databases, as the first start of the stack does."""
        for name in ("postgres", "models", "bin", "work"):
            (self.folder / name).mkdir(parents=True)
        if self.user:
            shutil.chown(self.folder / "postgres", self.user)
        self.postgres = Postgres(self.folder / "postgres", LOGIN, self.user, port=self.ports[0])
        self.postgres.start()
        place = "/var/lib/clickhouse"
        config = (REPOSITORY / "docker/clickhouse/backups.xml").read_text(encoding="utf-8")
        (allowed,) = re.findall(r"<clickhouse>(.*)</clickhouse>", config)
        data = self.folder / "clickhouse" / "data"
        further = allowed.replace(place, str(data))
        self.clickhouse = Server(data.parent, *self.ports[1:], further=further).start()
        with opened(self.clickhouse_url("default")) as engine, engine.connect() as connection:
            for script in ("docker/clickhouse/databases.sql", "clickhouse/schema.sql"):
                connection.execute(text((REPOSITORY / script).read_text(encoding="utf-8")))
        shim = self.folder / "bin" / "docker-compose"
        program = REPOSITORY / "tests/services/docker_compose_here.py"
        shim.write_text(f'#!/bin/sh\nexec {sys.executable} {program} "$@"\n', encoding="utf-8")
        shim.chmod(0o755)

    def destroy(self) -> None:
        """Ends and deletes everything but the backup."""
        self.postgres.stop()
        self.clickhouse.kill()
        shutil.rmtree(self.folder)

    def shell(self, commands: str) -> None:
        """Runs commands of the documentation, as they stand there."""
        programs = Path(postgres_program("pg_dump")).parent
        login = {"PGHOST": "127.0.0.1", "PGPORT": str(self.ports[0]), "PGPASSWORD": "pg"}
        here = {
            "places": {
                "/app/models": str(self.models),
                "/var/lib/clickhouse": str(self.folder / "clickhouse" / "data"),
            },
            "environment": {"postgres": login},
            "clickhouse": self.clickhouse_url("default").render_as_string(hide_password=False),
        }
        environment = os.environ | {
            "PATH": f"{self.folder / 'bin'}:{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
            "HERE": json.dumps(here),
            "BACKUP": str(self.backup),
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=self.folder / "work",
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def airflow(self, *command: str) -> str:
        """Runs Airflow on this site, with the secrets of its `.env`; gives what it printed."""
        env = self.env.read_text(encoding="utf-8")
        (fernet_key,) = re.findall(r"^AIRFLOW_FERNET_KEY=(.*)$", env, re.MULTILINE)
        run = subprocess.run(
            [sys.executable, *command],
            cwd=self.folder / "work",
            env=os.environ
            | {
                "AIRFLOW_HOME": str(self.folder / "airflow"),
                "AIRFLOW__CORE__FERNET_KEY": fernet_key,
                "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.postgres.url,
                "PYTHONPATH": str(REPOSITORY),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
        return run.stdout

    @property
    def env(self) -> Path:
        return self.folder / "work/.env"

    def run(self, week: str) -> None:
        """Runs the DAG once."""
        self.airflow("-m", "airflow", "dags", "test", DAG, week)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Asks Airflow's database."""
        engine = create_engine(self.postgres.url)
        with engine.connect() as connection:
            rows = [tuple(row) for row in connection.execute(text(query)).all()]
        engine.dispose()
        return rows

    def metrics(self) -> dict[str, Any]:
        """Production's."""
        found = (self.models / "regime_detector_metrics.json").read_text(encoding="utf-8")
        return dict(json.loads(found))
