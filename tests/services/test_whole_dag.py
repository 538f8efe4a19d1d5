"""The whole DAG with the users of the stack: every way to ClickHouse leads to the same model."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest

from tests.conftest import a_quarter
from tests.dags.home import Home, Run, embedded_home
from tests.services.ways import Way

# Airflow and what it is made of raise deprecations of their own.
pytestmark = pytest.mark.filterwarnings("default")

SERVERS = pytest.mark.parametrize("way", ["native", a_quarter("http")], indirect=True)
OF_ONE_RUN = {"run_id", "snapshot_table", "trained_at", "deployed_at", "latency_ms", "platform"}
HomeAt = Callable[[Way], Home]


@dataclass(frozen=True)
class Outcome:
    """What depends neither on the way to ClickHouse nor on the hour."""

    tasks: dict[str, str]
    metrics: dict[str, Any]
    gate: dict[str, Any]
    rows: int
    fingerprint: str
    model: bytes


def _outcome(home: Home, run: Run) -> Outcome:
    checked = run.xcoms["check_data return_value"]
    snapshot, report = checked["snapshot"], checked["report"]
    return Outcome(
        tasks=run.tasks,
        metrics={name: v for name, v in home.metrics().items() if name not in OF_ONE_RUN},
        gate={name: v for name, v in report.items() if name not in {"table", "page"}},
        rows=snapshot["rows"],
        fingerprint=snapshot["fingerprint"],
        model=(home.models / "regime_detector.onnx").read_bytes(),
    )


def _assert_no_password(home: Home, way: Way, run: Run, messages: list[str]) -> None:
    """Looks for the passwords wherever a run leaves something behind."""
    files = [path for place in (home.models, home.docs) for path in place.rglob("*")]
    written = {str(path): path.read_bytes() for path in files if path.is_file()}
    assert len(written) > 3
    told = {"log": run.log, "xcoms": str(run.xcoms), "messages": "\n".join(messages)}
    for place, content in written.items() | {k: v.encode() for k, v in told.items()}.items():
        found = [secret for secret in way.secrets if secret.encode() in content]
        assert not found, place


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory, market: pd.DataFrame) -> Outcome:
    """What the embedded ClickHouse made of the market, once."""
    with pytest.MonkeyPatch.context() as patched:
        home = embedded_home(tmp_path_factory.mktemp("reference"), patched, lambda: "")
        home.load(market)
        return _outcome(home, home.run())


def test_run_over_each_protocol_deploys_the_very_same_model(
    way: Way, home_at: HomeAt, chat: list[str], market: pd.DataFrame, reference: Outcome
) -> None:
    home = home_at(way)
    home.load(market)
    run = home.run()
    assert (run.state, run.tasks["deploy_model"]) == ("success", "success"), chat
    outcome = _outcome(home, run)
    assert (outcome.rows, outcome.fingerprint) == (reference.rows, reference.fingerprint)
    assert outcome == reference
    assert len(chat) == 1
    _assert_no_password(home, way, run, chat)


@SERVERS
def test_rejected_data_on_a_server_leave_production_and_send_one_message(
    way: Way, home_at: HomeAt, chat: list[str], market: pd.DataFrame
) -> None:
    home = home_at(way)
    labelled = market.index[market["regime_label"] != ""]
    home.load(market.assign(adx=market["adx"].where(market.index != labelled[0])))
    home.put_production(b"production")
    before = home.files()
    run = home.run()
    assert (run.state, run.tasks["check_data"], run.tries["check_data"]) == ("failed", "failed", 1)
    assert home.files() == before
    (message,) = chat
    assert "Error: Insufficient data quality" in message
    assert "finite adx" in message
    _assert_no_password(home, way, run, chat)
