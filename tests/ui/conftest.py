"""Real api-servers with the pages: one with a run behind it, one behind a prefix with none."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import pytest
import requests

from tests.conftest import REPOSITORY
from tests.dags.home import Home, embedded_home
from tests.services.scheduler import USER, Airflow, dags_without_schedule, running_airflow, token_of

DAG = "regime_model_training"
VIEWER = "val"


@dataclass(frozen=True)
class Ui:
    """A running Airflow whose pages have something to show.

    Attributes:
        airflow: the server.
        home: where the runs' files are.
        run_id: the run.
    """

    airflow: Airflow
    home: Home
    run_id: str

    def ask(self, page: str, user: str | None = USER, **query: str) -> requests.Response:
        """Asks for one of our pages as a browser would, and follows nothing."""
        headers = {"Accept": "text/html"}
        if user:
            headers["Authorization"] = f"Bearer {token_of(self.airflow.address, user)}"
        url = f"{self.airflow.address}/regime-model/{page}"
        return requests.get(url, params=query, headers=headers, timeout=30, allow_redirects=False)


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory, market: pd.DataFrame) -> Iterator[Ui]:
    """An Airflow in which the DAG has run once."""
    folder = tmp_path_factory.mktemp("ui")
    with pytest.MonkeyPatch.context() as patched:
        home = embedded_home(folder, patched, lambda: "")
        home.load(market)
        with running_airflow(
            folder / "airflow", dags_without_schedule(folder), others={VIEWER: "viewer"}
        ) as airflow:
            airflow.unpause(DAG)
            run_id = airflow.trigger(DAG)
            assert airflow.finished(DAG, run_id)[0] == "success"
            yield Ui(airflow, home, run_id)


@pytest.fixture(scope="module")
def empty_ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    """An Airflow behind a proxy's prefix, before the first run."""
    folder = tmp_path_factory.mktemp("empty-ui")
    with pytest.MonkeyPatch.context() as patched:
        home = embedded_home(folder, patched, lambda: "")
        # What the environment says would hide what the database does.
        patched.delenv("AIRFLOW_VAR_DATA_DOCS_DIR")
        parts = ("api-server",)
        with running_airflow(
            folder / "airflow", REPOSITORY / "dags", parts, prefix="/airflow"
        ) as airflow:
            yield Ui(airflow, home, "")
