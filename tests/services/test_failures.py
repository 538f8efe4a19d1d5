"""What goes wrong on the way to a real ClickHouse: each says what, where and what to do."""

import logging
import socket
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import escape

import pytest
from sqlalchemy import text

from clickhouse.engine import open_engine
from clickhouse.errors import ClickHouseRefused, ClickHouseUnavailable
from clickhouse.reading import read_samples
from clickhouse.schema import apply_schema
from clickhouse.snapshot import freeze, prune, verify
from ml.contract import FEATURES, REGIMES
from sample_market import MarketSpec, simulate
from sample_market.loading import insert
from tests.services.connecting import connected, failing, is_retried
from tests.services.server import PASSWORDS, Server, free_port

PASSWORD = "wr@ng:/%#?$ pass'\"\\word"
PIPELINE = PASSWORDS["CLICKHOUSE_PIPELINE_PASSWORD"]


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server that a test may break."""
    server = Server(tmp_path / "server").start()
    apply_schema(open_engine(server.url("http")))
    yield server
    server.kill()


StartWithGuest = Callable[[str, Sequence[str]], Server]


@pytest.fixture
def start_with_guest(tmp_path: Path) -> Iterator[StartWithGuest]:
    """Starts a server with a user `guest` that has a password and some rights."""
    server = Server(tmp_path / "server")

    def start(password: str, grants: Sequence[str]) -> Server:
        rights = "".join(f"<query>{grant}</query>" for grant in grants)
        user = f"<password>{escape(password)}</password><grants>{rights}</grants>"
        settings = "<profile>default</profile><quota>default</quota>"
        guest = server.folder / "users.d" / "guest.xml"
        guest.parent.mkdir(parents=True)
        guest.write_text(
            f"<clickhouse><users><guest>{user}{settings}</guest></users></clickhouse>",
            encoding="utf-8",
        )
        server.start()
        engine = open_engine(server.url("http"))
        apply_schema(engine)
        with engine.connect() as administrator:
            administrator.execute(text("CREATE DATABASE snaps"))
        engine.dispose()
        return server

    yield start
    server.kill()


def test_wrong_password_is_refused_and_shown_nowhere(
    own_server: Server, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    port = own_server.port(protocol)
    with connected(protocol, port, login="pipeline", password=PASSWORD) as engine:
        error = failing(engine)
    assert isinstance(error, ClickHouseRefused)
    assert "correct login and password" in str(error)
    assert not is_retried(error)
    told = "".join(traceback.format_exception(error)) + repr(error) + caplog.text
    assert PASSWORD not in told and quote(PASSWORD, safe="") not in told


@pytest.mark.parametrize("password", [PASSWORD, "ünïcode-ß-пароль", " blank ", "a&b=c+d"])
def test_password_of_any_signs_logs_in(
    start_with_guest: StartWithGuest, protocol: str, password: str
) -> None:
    port = start_with_guest(password, []).port(protocol)
    login = connected(protocol, port, login="guest", password=password)
    with login as engine, engine.connect() as connection:
        assert connection.execute(text("SELECT currentUser()")).scalar_one() == "guest"


def test_extras_act_the_same_with_each_protocol(own_server: Server, protocol: str) -> None:
    extra = {"max_execution_time": 77, "session_settings": {"max_threads": 3}, "client_name": "us"}
    asked = "SELECT getSetting('max_execution_time'), getSetting('max_threads')"
    with (
        connected(protocol, own_server.port(protocol), extra=extra) as engine,
        engine.connect() as connection,
    ):
        assert connection.execute(text(asked)).one() == (77, 3)


def test_extra_that_is_no_setting_is_refused_by_name(own_server: Server, protocol: str) -> None:
    with connected(protocol, own_server.port(protocol), extra={"max_thread": 3}) as engine:
        error = failing(engine)
    assert isinstance(error, ClickHouseRefused) and "max_thread" in str(error)
    assert "correct the name of that extra" in str(error) and not is_retried(error)


def test_unknown_database_is_refused_and_named(own_server: Server, protocol: str) -> None:
    with connected(protocol, own_server.port(protocol), schema="no_such_db") as engine:
        error = failing(engine, "SELECT count() FROM regime_features")
    assert isinstance(error, ClickHouseRefused) and "no_such_db" in str(error)


def test_missing_table_is_refused_with_the_schema_as_remedy(
    own_server: Server, protocol: str
) -> None:
    refused = pytest.raises(ClickHouseRefused, match=r"regime_features.*schema\.sql")
    with connected(protocol, own_server.port(protocol), schema="system") as engine, refused:
        freeze(engine, "run", FEATURES)


RIGHTS = {
    "SELECT": "GRANT SELECT ON default.regime_features",
    "CREATE TABLE": "GRANT CREATE TABLE ON snaps.*",
    "INSERT": "GRANT INSERT ON snaps.*",
    "TABLE ENGINE": "GRANT TABLE ENGINE ON MergeTree",
}


@pytest.mark.parametrize("lacking", RIGHTS)
def test_missing_right_is_refused_and_named_with_its_object(
    start_with_guest: StartWithGuest, protocol: str, lacking: str
) -> None:
    granted = [right for name, right in RIGHTS.items() if name != lacking]
    server = start_with_guest("guest", ["GRANT SELECT, DROP TABLE ON snaps.*", *granted])
    _, _, where = RIGHTS[lacking].partition(" ON ")
    login = connected(protocol, server.port(protocol), login="guest", password="guest")
    with login as engine, pytest.raises(ClickHouseRefused) as caught:
        freeze(engine, "run", FEATURES, database="snaps")
    assert lacking in str(caught.value) and where.removesuffix(".*") in str(caught.value)
    assert "What to do: grant the user the right" in str(caught.value)
    assert not is_retried(caught.value)


@pytest.mark.parametrize(
    "forbidden",
    [
        "INSERT INTO regime_features (symbol) VALUES ('A')",
        "ALTER TABLE regime_features UPDATE regime_label = 'range' WHERE 1",
        "DROP TABLE regime_features",
        "CREATE TABLE default.other (a UInt8) ENGINE = MergeTree ORDER BY a",
        "CREATE USER intruder",
        "GRANT SELECT ON default.regime_features TO application",
    ],
)
def test_user_of_the_pipeline_cannot_change_anything_else(
    own_server: Server, forbidden: str
) -> None:
    port = own_server.native_port
    with connected("native", port, login="pipeline", password=PIPELINE) as engine:
        error = failing(engine, forbidden)
    assert isinstance(error, ClickHouseRefused) and "Not enough privileges" in str(error)


def test_server_that_is_down_is_unavailable_and_retried(protocol: str) -> None:
    with connected(protocol, free_port()) as engine:
        error = failing(engine)
    assert isinstance(error, ClickHouseUnavailable) and is_retried(error)
    assert f"{protocol}://127.0.0.1" in str(error) and "see that the server is up" in str(error)


def test_unknown_host_is_unavailable_and_named(protocol: str) -> None:
    with connected(protocol, 9000, host="no-such-host.invalid") as engine:
        error = failing(engine)
    assert isinstance(error, ClickHouseUnavailable) and "no-such-host.invalid" in str(error)


def test_server_that_never_answers_times_out(protocol: str) -> None:
    timeouts = {
        "native": {"connect_timeout": 1, "send_receive_timeout": 1},
        "http": {"timeout": 1},
    }
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with connected(protocol, silent.getsockname()[1], extra=timeouts[protocol]) as engine:
            assert isinstance(failing(engine), ClickHouseUnavailable)


def test_query_that_never_ends_times_out_over_http(own_server: Server) -> None:
    endless = "SELECT sleepEachRow(1) FROM numbers(9) SETTINGS max_block_size = 100"
    with connected("http", own_server.http_port, extra={"timeout": 1}) as engine:
        error = failing(engine, endless + ", function_sleep_max_microseconds_per_block = 0")
    assert isinstance(error, ClickHouseUnavailable) and "timed out" in str(error)


def test_query_that_runs_too_long_is_ended_by_the_server(own_server: Server, protocol: str) -> None:
    with connected(protocol, own_server.port(protocol)) as engine:
        error = failing(
            engine,
            "SELECT count() FROM numbers(1e12) WHERE sipHash64(number) = 1 "
            "SETTINGS max_execution_time = 1",
        )
    assert "TIMEOUT_EXCEEDED" in str(error) or "Timeout exceeded" in str(error)
    assert is_retried(error)


@pytest.mark.parametrize(
    ("protocol", "spoken", "remedy"),
    [("http", "native", '{"driver": "native"}'), ("native", "http", '{"driver": "http"}')],
)
def test_protocol_on_the_port_of_the_other_says_so(
    own_server: Server, protocol: str, spoken: str, remedy: str
) -> None:
    timeouts = {"timeout": 3} if protocol == "http" else {"send_receive_timeout": 3}
    with connected(protocol, own_server.port(spoken), extra=timeouts) as engine:
        error = failing(engine)
    assert isinstance(error, ClickHouseRefused) and remedy in str(error)


def test_least_rights_of_the_stack_freeze_twice(own_server: Server, protocol: str) -> None:
    owner = open_engine(own_server.url("http"))
    insert(owner, simulate(MarketSpec(rows=600, seed=1)))
    with owner.connect() as administrator:
        administrator.execute(text("CREATE DATABASE regime_snapshots"))
    port = own_server.port(protocol)
    with connected(protocol, port, login="pipeline", password=PIPELINE) as engine:
        first = freeze(engine, "run", FEATURES, database="regime_snapshots")
        again = freeze(engine, "run", FEATURES, database="regime_snapshots")
        verify(engine, again)
        samples = read_samples(engine, again, FEATURES, REGIMES)
        assert (again, len(samples["labels"])) == (first, first.rows)
        assert prune(engine, "regime_snapshots", keep=0) == 1
    owner.dispose()
