"""TLS to a real ClickHouse: a trusted certificate works, any other is refused with what to do."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from clickhouse.errors import ClickHouseRefused
from tests.services.connecting import connected, failing, is_retried
from tests.services.server import Server
from tests.services.tls import Certificate, TlsFront, make_certificate


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "server").start()
    yield server
    server.kill()


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return make_certificate(tmp_path / "good", "IP:127.0.0.1")


@pytest.fixture
def secure_port(server: Server, protocol: str, certificate: Certificate) -> Iterator[int]:
    front = TlsFront(certificate, server.port(protocol))
    yield front.port
    front.close()


def test_certificate_of_a_given_authority_is_trusted(
    protocol: str, secure_port: int, certificate: Certificate
) -> None:
    extra = {"secure": True, "ca_cert": str(certificate.authority)}
    with connected(protocol, secure_port, extra=extra) as engine, engine.connect() as connection:
        assert connection.execute(text("SELECT 7")).scalar_one() == 7


def test_certificate_of_an_unknown_authority_is_refused(protocol: str, secure_port: int) -> None:
    with connected(protocol, secure_port, extra={"secure": True}) as engine:
        error = failing(engine)
    assert isinstance(error, ClickHouseRefused) and '"ca_cert"' in str(error)
    assert not is_retried(error)


def test_certificate_of_another_host_is_refused(
    server: Server, protocol: str, tmp_path: Path
) -> None:
    other = make_certificate(tmp_path / "other", "DNS:somewhere.else")
    front = TlsFront(other, server.port(protocol))
    extra = {"secure": True, "ca_cert": str(other.authority)}
    with connected(protocol, front.port, extra=extra) as engine:
        error = failing(engine)
    front.close()
    assert isinstance(error, ClickHouseRefused) and "correct the host name" in str(error)


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_unverified_certificate_is_taken_where_the_extra_says_so(
    protocol: str, secure_port: int
) -> None:
    extra = {"secure": True, "verify": False}
    with connected(protocol, secure_port, extra=extra) as engine, engine.connect() as connection:
        assert connection.execute(text("SELECT 7")).scalar_one() == 7


def test_plain_client_on_a_tls_port_fails_and_names_the_server(
    protocol: str, secure_port: int
) -> None:
    with connected(protocol, secure_port, extra={"secure": False}) as engine:
        assert f"{protocol}://127.0.0.1:{secure_port}" in str(failing(engine))
