"""A ClickHouse server of its own for a test: real, current, on loopback, without Docker."""

import os
import platform
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import URL

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = "@chdb/lib-linux-x64-gnu@26.7.3-stable.1"
"""The npm package whose library is ClickHouse with its network listeners."""

PASSWORDS = {
    "CLICKHOUSE_PIPELINE_PASSWORD": "pipe:@/%#?$w0rd",
    "CLICKHOUSE_APPLICATION_PASSWORD": "app:@/%#?$w0rd",
}
"""What docker/clickhouse/users.xml takes from the environment; every sign that breaks URLs."""

_BASE_USERS = """<clickhouse>
    <profiles><default/></profiles>
    <quotas><default/></quotas>
    <users><default><password/><profile>default</profile><quota>default</quota></default></users>
</clickhouse>"""
_CONFIG = "<clickhouse><users_config>{users}</users_config>{further}</clickhouse>"


def library() -> Path:
    """Finds the server's library, fetched from npm on first use; skips where that cannot be."""
    folder = REPOSITORY / ".tools" / "clickhouse"
    found = folder / "package" / "libchdb.so"
    if found.exists():
        return found
    instead = "or set CLICKHOUSE_TEST_URL to a ClickHouse server"
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        pytest.skip(f"{PACKAGE} is for Linux on x86_64: run there, {instead}")
    if shutil.which("npm") is None:
        pytest.skip(f"npm is missing: apt-get install npm, {instead}")
    # Each worker of a test run fetches into a folder of its own: the first to be whole is kept.
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetching-") as own:
        fetched = subprocess.run(
            ["npm", "pack", "--silent", PACKAGE],
            cwd=own,
            capture_output=True,
            text=True,
            check=False,
        )
        if fetched.returncode:
            pytest.skip(f"npm cannot fetch {PACKAGE}: {fetched.stderr[-500:]}; {instead}")
        with tarfile.open(Path(own, fetched.stdout.split()[-1])) as package:
            package.extractall(Path(own, "whole"), filter="data")
        with suppress(OSError):  # another worker's is there already
            Path(own, "whole").rename(folder)
    return found


_given: set[int] = set()


def free_port() -> int:
    """Finds a port that nobody listens on, and that was not given before."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in _given:
            _given.add(port)
            return port


@dataclass
class Server:
    """A server process with its own folder, the users of the compose stack, and two ports.

    The login failures of a native client and a bare connect-and-close abort this build of the
    server; a test that makes them starts a server of its own. `further` is more of its
    configuration, in XML.
    """

    folder: Path
    native_port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    host: str = "127.0.0.1"
    passwords: Mapping[str, str] = field(default_factory=lambda: PASSWORDS)
    further: str = ""
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Server":
        """Starts it and waits until it answers; a second start finds the data of the first."""
        users = self.folder / "users.xml"
        (self.folder / "users.d").mkdir(parents=True, exist_ok=True)
        users.write_text(_BASE_USERS, encoding="utf-8")
        shutil.copy(REPOSITORY / "docker/clickhouse/users.xml", self.folder / "users.d")
        config = self.folder / "config.xml"
        text = _CONFIG.format(users=users, further=self.further)
        config.write_text(text, encoding="utf-8")
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, Path(__file__).with_name("listen.py"), library()),
                    *(f"--config-file={config}", f"--path={self.folder / 'data'}"),
                    f"--listen_host={self.host}",
                    *(f"--tcp_port={self.native_port}", f"--http_port={self.http_port}"),
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, **self.passwords},
            )
        self._wait()
        return self

    def kill(self) -> None:
        """Ends it as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def port(self, protocol: str) -> int:
        """The port of `native` or `http`."""
        return self.native_port if protocol == "native" else self.http_port

    def url(
        self,
        protocol: str,
        user: str = "default",
        password: str = "",
        database: str = "default",
    ) -> URL:
        """The SQLAlchemy URL of a database."""
        port = self.port(protocol)
        return URL.create(f"clickhouse+{protocol}", user, password, self.host, port, database)

    def _wait(self) -> None:
        for _ in range(600):
            if self.process is None or self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"http://{self.host}:{self.http_port}/ping", timeout=5):
                    return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        raise RuntimeError((self.folder / "server.log").read_text(encoding="utf-8")[-3000:])


@dataclass(frozen=True)
class GivenServer:
    """A server that somebody else runs, by a URL of either protocol on its usual port."""

    given: URL

    def url(self, protocol: str, *, database: str = "default") -> URL:
        """The SQLAlchemy URL of a database, with the login that was given."""
        secure = self.given.port in {9440, 8443}
        ports = {"native": 9440, "http": 8443} if secure else {"native": 9000, "http": 8123}
        options = {"native": {"secure": "true"}, "http": {"protocol": "https"}}[protocol]
        return self.given.set(
            drivername=f"clickhouse+{protocol}",
            port=ports[protocol],
            database=database,
            query=options if secure else {},
        )
