"""Every form of the Connection becomes the right URL; a wrong one is refused by its field."""

import json
from pathlib import Path
from typing import Any

import clickhouse_driver
import pytest
from airflow.sdk import Connection
from hypothesis import given, settings
from hypothesis import strategies as st

from clickhouse.engine import open_engine
from pipeline.connection import ConnectionProblem, clickhouse_engine, clickhouse_url


def _connection(**fields: Any) -> Connection:
    extra = fields.pop("extra", None)
    given = {"conn_type": "http", "host": "ch", "login": "me", "password": "pw", "schema": "market"}
    return Connection(
        conn_id="clickhouse_default",
        extra=json.dumps(extra) if extra else None,
        **{**given, **fields},
    )


@pytest.mark.parametrize("conn_type", ["http", "clickhouse", "generic"])
@pytest.mark.parametrize(
    ("port", "driver", "secure"),
    [
        (9000, "native", None),
        (9440, "native", ("secure", "true")),
        (8123, "http", None),
        (8443, "http", ("secure", "true")),
    ],
)
def test_port_says_protocol_and_tls(
    conn_type: str, port: int, driver: str, secure: tuple[str, str] | None
) -> None:
    url = clickhouse_url(_connection(conn_type=conn_type, port=port))
    assert (url.drivername, url.host, url.port) == (f"clickhouse+{driver}", "ch", port)
    assert (url.username, url.password, url.database) == ("me", "pw", "market")
    tls = {key: value for key, value in url.query.items() if key in ("secure", "protocol")}
    assert tls == (dict([secure]) if secure else {})


@pytest.mark.parametrize(
    ("fields", "driver", "port"),
    [
        ({}, "http", 8123),
        ({"extra": {"secure": True}}, "http", 8443),
        ({"conn_type": "clickhouse"}, "http", 8123),
        ({"conn_type": "generic"}, "native", 9000),
        ({"conn_type": "generic", "extra": {"secure": "true"}}, "native", 9440),
        ({"extra": {"driver": "native"}}, "native", 9000),
        ({"port": 9000, "extra": {"driver": "http"}}, "http", 9000),
        ({"conn_type": "clickhouse", "port": 18123}, "http", 18123),
        ({"conn_type": "generic", "port": 19000}, "native", 19000),
        ({"host": "ch:9440"}, "native", 9440),
        ({"host": "tcp://ch"}, "native", 9000),
        ({"conn_type": "clickhouse", "host": "https://ch:443"}, "http", 443),
        ({"port": 18123}, "http", 18123),
        ({"host": "https://ch/"}, "http", 8443),
    ],
)
def test_form_without_a_known_port_gets_the_documented_guess(
    fields: dict[str, Any], driver: str, port: int
) -> None:
    url = clickhouse_url(_connection(**fields))
    assert (url.get_driver_name(), url.host, url.port) == (driver, "ch", port)


def test_empty_schema_and_login_mean_default() -> None:
    url = clickhouse_url(_connection(schema=None, login=None, password=None))
    assert (url.database, url.username, url.password) == ("default", "default", "")


@pytest.mark.parametrize("port", [9000, 8123])
def test_extras_mean_the_same_with_each_protocol(port: int, tmp_path: Path) -> None:
    authority = tmp_path / "authority.pem"
    authority.touch()
    extra = {
        "verify": "no",
        "ca_cert": str(authority),
        "send_receive_timeout": 5,
        "connect_timeout": "2.5",
        "client_name": "regimes",
        "compress": False,
        "max_threads": 3,
        "session_settings": '{"max_execution_time": 77, "optimize_read_in_order": true}',
        "client_kwargs": {"deadline": 60},
    }
    assert dict(clickhouse_url(_connection(extra=extra, port=port)).query) == {
        "verify": "false",
        "ca_cert": str(authority),
        "timeout": "5",
        "connect_timeout": "2.5",
        "client_name": "regimes",
        "max_threads": "3",
        "max_execution_time": "77",
        "optimize_read_in_order": "1",
        "deadline": "60",
    }


@pytest.mark.parametrize("secure", [True, "true", "yes", "Yes", "on", 1, "1", "T"])
@pytest.mark.parametrize("port", [9000, 8123])
def test_secure_that_means_yes_gives_tls(secure: Any, port: int) -> None:
    assert (
        clickhouse_url(_connection(extra={"secure": secure}, port=port)).query["secure"] == "true"
    )


def test_secure_in_a_uri_gives_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection.from_uri("http://me:pw@ch:8123/market?secure=True", "c")
    assert clickhouse_url(connection).query["secure"] == "true"


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"host": "https://abc.clickhouse.cloud:8443"}, "http://me@abc.clickhouse.cloud:8443 tls"),
        ({"host": "https://abc.clickhouse.cloud/"}, "http://me@abc.clickhouse.cloud:8443 tls"),
        ({"host": "http://ann:p%40w@ch", "login": "", "password": ""}, "http://ann@ch:8123"),
        ({"host": "http://me:pw@ch"}, "http://me@ch:8123"),
        ({"host": "[::1]:9440"}, "native://me@::1:9440 tls"),
        ({"host": "::1"}, "http://me@::1:8123"),
        ({"host": "clickhouses://ch", "conn_type": "generic"}, "native://me@ch:9440 tls"),
        ({"schema": "https"}, "http://me@ch:8443 tls"),
        ({"schema": "http", "port": 8123}, "http://me@ch:8123"),
    ],
)
def test_host_that_says_more_is_understood(fields: dict[str, Any], url: str) -> None:
    found = clickhouse_url(_connection(**fields))
    said = f"{found.get_driver_name()}://{found.username}@{found.host}:{found.port}"
    assert said + " tls" * ("secure" in found.query) == url
    assert found.password == ("p@w" if found.username == "ann" else "pw")
    assert found.database == ("default" if "schema" in fields else "market")


def test_chdb_names_its_folder() -> None:
    url = clickhouse_url(
        _connection(conn_type="chdb", host=None, schema=None, extra={"path": "/x y"})
    )
    assert (url.drivername, url.database) == ("clickhouse+chdb", "default")
    assert url.query["path"] == "/x y"


@pytest.mark.parametrize("password", ["@:/%#?", "a$b", "p@ss:w/rd%41", "ü ñ", "100%", "+&="])
@pytest.mark.parametrize("port", [9000, 8123])
def test_password_of_any_characters_reaches_the_driver(password: str, port: int) -> None:
    engine = open_engine(clickhouse_url(_connection(password=password, port=port)))
    arguments, _ = engine.dialect.create_connect_args(engine.url)
    if port == 9000:
        client = clickhouse_driver.Client.from_url(arguments[0])
        assert client.connection.password == password
    else:
        assert arguments[3] == password.encode()
    assert password not in repr(engine.url)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"conn_type": "mysql"}, "type 'mysql'"),
        ({"host": ""}, "host is empty"),
        ({"extra": {"driver": "odbc"}}, "driver 'odbc'"),
        ({"extra": {"driver": []}}, "driver \\[\\]"),
        ({"conn_type": "chdb"}, "path"),
        ({"conn_type": "chdb", "extra": {"path": "relative"}}, "'relative'"),
        ({"conn_type": "chdb", "extra": {"path": "/x", "secure": True}}, "extra secure is no"),
        ({"extra": {"session_settings": {"timeout": 5}}}, "extra timeout is no"),
        ({"extra": {"client_kwargs": "{"}}, "client_kwargs is not a JSON object"),
        ({"host": "me:secret"}, "host is no name"),
        ({"host": "me:secret@ftp://ch"}, "host's scheme"),
        ({"extra": {"secure": "maybe"}}, "extra secure is 'maybe', neither yes nor no"),
        ({"extra": {"secure": 2}}, "extra secure is 2"),
        ({"extra": {"verify": "perhaps"}}, "extra verify"),
        ({"extra": {"compress": True}, "port": 9000}, "extra compress"),
        ({"extra": {"alt_hosts": "a,b"}}, "extra alt_hosts is for the native protocol"),
        ({"extra": {"max_threads": [1]}}, "extra max_threads"),
        ({"extra": {"session_settings": "max_threads=3"}}, "extra session_settings"),
        ({"extra": {"client_kwargs": {"query_limit": 3}}}, "client_kwargs: query_limit"),
        ({"extra": {"ca_cert": "/no/such/file"}}, "extra ca_cert: there is no file /no/such/file"),
        ({"extra": {"timeout": "soon"}}, "extra timeout is 'soon'"),
        ({"extra": {"connect_timeout": 0}}, "extra connect_timeout is 0"),
        ({"port": 99999}, "port 99999"),
        ({"host": "ch:8123", "port": 9000}, "host and field port"),
        ({"host": "http://ann:secret@ch"}, "host and field login"),
        ({"host": "https://ch/path"}, "no name or address"),
        ({"host": "ftp://ch"}, "host's scheme is not one of http"),
        ({"host": "https://ch", "extra": {"secure": False}}, "scheme says TLS"),
        ({"host": "http://ch:8443"}, "says no TLS, and port 8443 TLS"),
        ({"host": "https://ch", "schema": "http"}, "two schemes"),
    ],
)
def test_wrong_connection_is_refused_naming_the_field(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ConnectionProblem, match=named) as caught:
        clickhouse_url(_connection(**fields))
    assert "secret" not in str(caught.value)


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
EXTRAS = st.dictionaries(
    st.sampled_from(
        [
            *("driver", "secure", "verify", "ca_cert", "connect_timeout", "timeout", "deadline"),
            *("client_name", "compress", "alt_hosts", "session_settings", "client_kwargs", "path"),
            "max_threads",
        ]
    )
    | st.text(max_size=8),
    VALUES | st.lists(VALUES, max_size=2) | st.dictionaries(st.text(max_size=5), VALUES),
    max_size=3,
)


@settings(deadline=None, max_examples=300)
@given(
    conn_type=st.sampled_from(["http", "clickhouse", "generic", "chdb"]) | st.text(max_size=5),
    host=st.none() | st.text(max_size=20) | st.from_regex(r"(https?://)?ch(:[0-9]{1,5})?(/x)?"),
    port=st.none() | st.integers(-5, 70_000),
    login=st.none() | st.text(max_size=8),
    schema=st.none() | st.text(max_size=8),
    extra=EXTRAS | VALUES | st.lists(VALUES, max_size=2),
)
def test_any_form_gives_a_url_or_a_problem_that_shows_no_password(**fields: Any) -> None:
    told = ""
    try:
        url = clickhouse_url(_connection(**fields, password="hidden-password"))
        told = repr(url)
    except ConnectionProblem as problem:
        told = str(problem)
        assert "What to do" in told
    assert "hidden-password" not in told


def test_password_in_the_host_is_masked_in_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    masked: list[str] = []
    monkeypatch.setattr("pipeline.connection.mask_secret", masked.append)
    url = clickhouse_url(_connection(host="https://me:secret@ch", password=None))
    assert (url.password, masked) == ("secret", ["secret"])
    assert "secret" not in repr(url)


def test_several_hosts_of_the_native_protocol_may_be_a_list() -> None:
    extra = {"alt_hosts": ["b:9000", "c"]}
    assert clickhouse_url(_connection(port=9000, extra=extra)).query["alt_hosts"] == "b:9000,c"


def test_extra_that_is_no_object_is_refused() -> None:
    connection = _connection()
    connection.extra = "[1, 2]"
    with pytest.raises(ConnectionProblem, match="JSON object"):
        clickhouse_url(connection)


def test_missing_connection_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_CLICKHOUSE_DEFAULT", raising=False)
    with pytest.raises(ConnectionProblem, match="not defined"), clickhouse_engine():
        pass
