"""A proxy, half an answer, one that never ends: named for what it is, retried, and with an end."""

import time
from pathlib import Path

import pytest
from sqlalchemy import text

from clickhouse.errors import ClickHouseUnavailable
from clickhouse.schema import apply_schema
from clickhouse.snapshot import freeze
from ml.contract import FEATURES
from sample_market import MarketSpec, simulate
from sample_market.loading import insert
from tests.services.broken_server import ANSWERS, DRIPPING, broken_server
from tests.services.connecting import connected, failing, is_retried
from tests.services.server import Server

WORDS = ("does not answer as ClickHouse", "cannot be reached", "cannot answer now")


CASES = [(spoken, name) for spoken, answers in ANSWERS.items() for name in answers]


@pytest.mark.parametrize(("spoken", "name"), CASES)
def test_answer_that_is_not_whole_or_not_of_clickhouse_is_retried(spoken: str, name: str) -> None:
    answer, extra = ANSWERS[spoken][name], {"timeout": 5}
    with broken_server(answer) as port, connected(spoken, port, extra=extra) as engine:
        error = failing(engine)
    assert isinstance(error, ClickHouseUnavailable) and is_retried(error)
    assert f"{spoken}://127.0.0.1:{port}" in str(error)
    assert any(words in str(error) for words in WORDS)


@pytest.mark.parametrize("name", ["page", "bad gateway", "empty"])
def test_page_of_a_proxy_is_told_from_clickhouse(name: str) -> None:
    with broken_server(ANSWERS["http"][name]) as port, connected("http", port) as engine:
        assert "does not answer as ClickHouse: HTTP status" in str(failing(engine))


@pytest.mark.parametrize("name", ["half of a header", "status only", "half of the headers"])
def test_answer_that_breaks_off_in_its_headers_is_a_lost_server(name: str) -> None:
    with broken_server(ANSWERS["http"][name]) as port, connected("http", port) as engine:
        assert "cannot be reached" in str(failing(engine))


def test_answer_that_drips_ends_at_the_deadline(protocol: str) -> None:
    begun = time.monotonic()
    extra = {"deadline": 2, "timeout": 30}
    with (
        broken_server(DRIPPING[protocol]) as port,
        connected(protocol, port, extra=extra) as engine,
    ):
        error = failing(engine)
    assert time.monotonic() - begun < 8
    assert isinstance(error, ClickHouseUnavailable) and "within 2 seconds" in str(error)


def test_limit_in_the_profile_of_the_user_cuts_nothing(tmp_path: Path, protocol: str) -> None:
    server = Server(tmp_path / "server")
    profile = "<limit>7</limit><offset>2</offset><extremes>1</extremes>"
    user = "<password>guest</password><profile>small</profile><quota>default</quota>"
    users = server.folder / "users.d" / "guest.xml"
    users.parent.mkdir(parents=True)
    users.write_text(
        f"<clickhouse><profiles><small>{profile}</small></profiles>"
        f"<users><guest>{user}</guest></users></clickhouse>",
        encoding="utf-8",
    )
    server.start()
    try:
        port = server.port(protocol)
        with connected(protocol, port, login="guest", password="guest") as engine:
            apply_schema(engine)
            insert(engine, simulate(MarketSpec(rows=600, seed=1, labelled_share=1.0)))
            assert freeze(engine, "run", FEATURES).rows == 600
            with engine.connect() as connection:
                setting = text("SELECT value FROM system.settings WHERE name = 'limit'")
                assert connection.execute(setting).scalar_one() == "0"
    finally:
        server.kill()
