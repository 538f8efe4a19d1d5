"""Every form of the Connection becomes the right URL; a wrong one is refused by its field."""

import json
from typing import Any

import clickhouse_driver
import pytest
from airflow.sdk import Connection

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
        (8443, "http", ("protocol", "https")),
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
        ({"conn_type": "clickhouse"}, "native", 9000),
        ({"conn_type": "generic", "extra": {"secure": "true"}}, "native", 9440),
        ({"extra": {"driver": "native"}}, "native", 9000),
        ({"port": 9000, "extra": {"driver": "http"}}, "http", 9000),
        ({"conn_type": "clickhouse", "port": 19000}, "native", 19000),
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


def test_other_extras_go_to_the_driver_and_win_over_our_timeouts() -> None:
    extra = {"verify": False, "timeout": 5, "driver": "http"}
    url = clickhouse_url(_connection(extra=extra))
    assert dict(url.query) == {"verify": "false", "timeout": "5"}


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
        ({"conn_type": "chdb"}, "path"),
        ({"conn_type": "chdb", "extra": {"path": "relative"}}, "'relative'"),
    ],
)
def test_wrong_connection_is_refused_naming_the_field(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ConnectionProblem, match=named):
        clickhouse_url(_connection(**fields))


def test_extra_that_is_no_object_is_refused() -> None:
    connection = _connection()
    connection.extra = "[1, 2]"
    with pytest.raises(ConnectionProblem, match="JSON object"):
        clickhouse_url(connection)


def test_missing_connection_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_CLICKHOUSE_DEFAULT", raising=False)
    with pytest.raises(ConnectionProblem, match="not defined"), clickhouse_engine():
        pass
