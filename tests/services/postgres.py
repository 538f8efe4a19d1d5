"""A PostgreSQL server of its own for a test, from Debian's package."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server as its image makes one from POSTGRES_USER, _DB and _PASSWORD.

    Attributes:
        folder: an existing folder that the user may write to.
        given: those three variables.
        user: ordinary user that runs it; None if the tests have no right to choose.
    """

    folder: Path
    given: Mapping[str, str]
    user: str | None
    address: str = "127.0.0.1"
    port: int = 5432

    @property
    def url(self) -> str:
        """SQLAlchemy's URL of its database."""
        login = f"{self.given['POSTGRES_USER']}:{self.given['POSTGRES_PASSWORD']}"
        place = f"{self.address}:{self.port}/{self.given['POSTGRES_DB']}"
        return f"postgresql+psycopg2://{login}@{place}"

    def start(self) -> None:
        """Initialises an empty folder and serves."""
        password = self.folder / "password"
        password.write_text(self.given["POSTGRES_PASSWORD"], encoding="utf-8")
        if self.user:
            shutil.chown(password, self.user)
        owner = self.given["POSTGRES_USER"]
        login = ("-U", owner, f"--pwfile={password}", "-A", "scram-sha-256")
        self.run("initdb", "-D", self._data, *login)
        options = f"-c listen_addresses={self.address} -c unix_socket_directories={self.folder}"
        log = self.folder / "postgres.log"
        served = f"{options} -p {self.port}"
        self.run("pg_ctl", "-D", self._data, "-w", "-l", log, "-o", served, "start")
        self.run("createdb", self.given["POSTGRES_DB"])

    def stop(self) -> None:
        """Stops it, whatever is connected."""
        self.run("pg_ctl", "-D", self._data, "-m", "immediate", "stop")

    def run(self, program: str, *arguments: str | Path) -> None:
        """Runs one of PostgreSQL's programs as its owner's."""
        subprocess.run(
            [postgres_program(program), *arguments],
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "LC_ALL": "C.UTF-8",
                "PGHOST": self.address,
                "PGPORT": str(self.port),
                "PGUSER": self.given["POSTGRES_USER"],
                "PGPASSWORD": self.given["POSTGRES_PASSWORD"],
            },
            user=self.user,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    @property
    def _data(self) -> Path:
        return self.folder / "postgres"


def postgres_program(name: str) -> str:
    """Finds a program of PostgreSQL, which Debian keeps off the PATH."""
    places = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    found = shutil.which(name, path=os.pathsep.join([*map(str, places), os.environ["PATH"]]))
    if found is None:
        pytest.skip(f"{name} is missing: apt-get install postgresql")
    return found
