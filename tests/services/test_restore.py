"""After a disaster docs/operations.md brings everything back, and the next run goes on."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from cryptography.fernet import Fernet

from clickhouse.engine import opened
from clickhouse.snapshot import find_snapshot
from sample_market.loading import insert
from tests.services.postgres import postgres_program
from tests.services.server import PASSWORDS, REPOSITORY
from tests.services.site_of_stack import DAG, Site

pytestmark = [pytest.mark.full, pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]

GUIDE = (REPOSITORY / "docs/operations.md").read_text(encoding="utf-8")


def _documented(number: int) -> str:
    section = GUIDE.split("## Backup and restore")[1].split("\n## ")[0]
    return str(re.findall(r"```bash\n(.*?)```", section, re.DOTALL)[number])


@pytest.fixture
def site(tmp_path: Path, market: pd.DataFrame) -> Iterator[Site]:
    """A site that was set up as `airflow-init` does it, with labelled samples."""
    postgres_program("initdb")
    user = "nobody" if os.getuid() == 0 else None
    # Not below pytest's own folder, which is closed to other users.
    place = Path(tempfile.mkdtemp(prefix="site-"))
    place.chmod(0o755)
    site = Site(place / "machine", tmp_path / "backup", user)
    try:
        _set_up(site, market)
        yield site
    finally:
        site.destroy()
        shutil.rmtree(place)


def _set_up(site: Site, market: pd.DataFrame) -> None:
    with opened(site.clickhouse_url("application")) as engine:
        insert(engine, market)
    key = f"AIRFLOW_FERNET_KEY={Fernet.generate_key().decode()}\n"
    site.env.write_text(key, encoding="utf-8")
    site.airflow("-m", "airflow", "db", "migrate")
    connection = {"conn_type": "http", "host": "127.0.0.1", "login": "pipeline"}
    connection["password"] = PASSWORDS["CLICKHOUSE_PIPELINE_PASSWORD"]
    added = {**connection, "port": site.clickhouse.native_port, "extra": {"driver": "native"}}
    variables = {
        "MODELS_DIR": str(site.models),
        "DATA_DOCS_DIR": str(site.folder / "docs"),
        "SNAPSHOT_DATABASE": "regime_snapshots",
        "MIN_LABELED_SAMPLES": "1234",
    }
    script = (
        "from docker.init import add_connection, add_variable\n"
        f"add_connection('clickhouse_default', {json.dumps(added)!r})\n"
        f"for pair in {list(variables.items())!r}: add_variable(*pair)"
    )
    site.airflow("-c", script)


def _runs(site: Site) -> list[tuple[Any, ...]]:
    return site.ask(f"SELECT run_id, state FROM dag_run WHERE dag_id = '{DAG}' ORDER BY id")


def _decision(site: Site) -> Mapping[str, Any]:
    """Of the newest run."""
    (run_id, _) = _runs(site)[-1]
    rows = site.ask(f"SELECT value FROM xcom WHERE run_id = '{run_id}' AND key = 'decision'")
    value = rows[0][0]
    decoded: dict[str, Any] = json.loads(value) if isinstance(value, str) else value
    return decoded


def _rotate_fernet_key(site: Site) -> None:
    """As docs/operations.md says, with Airflow's own command."""
    old = site.env.read_text(encoding="utf-8").strip().partition("=")[2]
    new = Fernet.generate_key().decode()
    site.env.write_text(f"AIRFLOW_FERNET_KEY={new},{old}\n", encoding="utf-8")
    site.airflow("-m", "airflow", "rotate-fernet-key")
    site.env.write_text(f"AIRFLOW_FERNET_KEY={new}\n", encoding="utf-8")


def test_run_after_a_restore_goes_on_as_if_nothing_had_happened(site: Site) -> None:
    site.run("2026-11-08")
    production, metrics, (first,) = site.production, site.metrics(), _runs(site)
    assert first[1] == "success" and not _decision(site)["production_accuracy"]

    site.shell(_documented(0))
    kept = {file.name for file in site.backup.iterdir()}
    assert kept == {"env", "airflow.dump", "models.tar.gz", "clickhouse.tar.gz"}
    site.destroy()
    assert not site.folder.exists()
    site.start()
    tables = "SELECT 1 FROM pg_tables WHERE schemaname = 'public'"
    assert not list(site.models.iterdir()) and not site.ask(tables)
    site.shell(_documented(1))

    assert site.production == production and _runs(site) == [first]
    snapshot = metrics["snapshot_table"]
    with opened(site.clickhouse_url("pipeline")) as engine:
        assert find_snapshot(engine, snapshot).fingerprint == metrics["data_fingerprint"]

    # A password in the Connection is opened by the restored key, and by its successor.
    _rotate_fernet_key(site)
    site.run("2026-11-15")
    assert [state for _, state in _runs(site)] == ["success", "success"]
    decision = _decision(site)
    assert not decision["deploy"] and "not better than production" in decision["reasons"][0]
    # Same rows, same forest: the restored production is compared on every row of the holdout.
    assert decision["production_accuracy"] == decision["accuracy"] == metrics["test_accuracy"]
    assert decision["comparison"]["rows"] == decision["holdout_samples"] > 0
    assert (site.production, site.metrics()) == (production, metrics)
    # Settings came back too: this one is not the default.
    (report,) = site.ask(
        f"SELECT value FROM xcom WHERE run_id = '{_runs(site)[-1][0]}' AND task_id = 'check_data' "
        "AND key = 'return_value'"
    )
    assert '"min_samples": 1234' in json.dumps(report[0]).replace("\\", "")
