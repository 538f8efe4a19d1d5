"""`python -m notifications`: what it sends, prints and writes, and its exit codes."""

import subprocess
import sys

import pytest

from notifications.__main__ import main
from notifications.samples import sample_messages
from tests.dags.home import migrate_airflow
from tests.notifications.chat_services import Answer

# What the command takes from Airflow raises deprecations of Airflow's own.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

TOKEN = "123456789:AAE-abc_DEFghi"
WEBHOOK = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
NAMES = list(sample_messages())


@pytest.fixture
def channels(monkeypatch):
    """Telegram and a Slack webhook, set as the README says."""
    monkeypatch.setenv("AIRFLOW_VAR_TELEGRAM_BOT_TOKEN", TOKEN)
    monkeypatch.setenv("AIRFLOW_VAR_TELEGRAM_ADMIN_CHAT_ID", "-100123")
    monkeypatch.setenv("AIRFLOW_VAR_SLACK_WEBHOOK_URL", WEBHOOK)


@pytest.mark.usefixtures("channels")
def test_test_sends_each_message_to_each_channel_and_says_so(services, capsys):
    assert main(["test"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if " NO " in line] == []
    assert len([line for line in lines if " yes" in line]) == 2 * len(NAMES)
    assert services.paths.count("sendMessage") == len(NAMES)
    assert services.paths.count("sendPhoto") == 3


@pytest.mark.usefixtures("channels")
def test_test_with_a_refused_token_ends_with_1_and_names_the_answer(services, capsys):
    services.by_path = {"/sendMessage": Answer(401, b'{"description": "Unauthorized"}')}
    assert main(["test"]) == 1
    out = capsys.readouterr().out
    refused = [line for line in out.splitlines() if " NO " in line]
    assert len(refused) == len(NAMES)
    assert all("Telegram" in line and "Unauthorized" in line for line in refused)
    assert TOKEN not in out


@pytest.mark.usefixtures("channels")
def test_test_with_a_lost_picture_ends_with_1(services, capsys):
    services.by_path = {"/sendPhoto": Answer(400, b'{"description": "PHOTO_INVALID"}')}
    assert main(["test"]) == 1
    assert capsys.readouterr().out.count("without ") == 3


def test_test_with_half_a_channel_ends_with_1_and_names_the_other_half(monkeypatch, capsys):
    monkeypatch.setenv("AIRFLOW_VAR_TELEGRAM_BOT_TOKEN", TOKEN)
    assert main(["test"]) == 1
    assert "TELEGRAM_ADMIN_CHAT_ID is needed too" in capsys.readouterr().out


def test_test_without_a_channel_ends_with_2_and_says_what_to_set(capsys):
    assert main(["test"]) == 2
    assert "AIRFLOW_VAR_TELEGRAM_BOT_TOKEN" in capsys.readouterr().err


@pytest.mark.usefixtures("channels")
def test_preview_prints_every_message_and_sends_nothing(services, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["preview", "--page", str(page)]) == 0
    out = capsys.readouterr().out
    for message in sample_messages().values():
        assert message.text in out
    assert services.arrived == []
    assert page.read_text(encoding="utf-8").count("<section>") == len(NAMES)


@pytest.fixture
def half_a_slack_in_the_database():
    """A Variable in Airflow's database, and no process that already reads there."""
    migrate_airflow()
    variables = [sys.executable, "-m", "airflow", "variables"]
    subprocess.run([*variables, "set", "SLACK_CHANNEL", "ops"], check=True, capture_output=True)
    yield
    subprocess.run([*variables, "delete", "SLACK_CHANNEL"], check=True, capture_output=True)


@pytest.mark.full
@pytest.mark.usefixtures("half_a_slack_in_the_database")
@pytest.mark.parametrize(
    ("options", "code", "told"),
    [([], 2, "no channel is configured"), (["--airflow"], 1, "SLACK_BOT_TOKEN is needed too")],
)
def test_test_reads_airflows_database_only_where_asked(options, code, told):
    command = [sys.executable, "-m", "notifications", "test", *options]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (run.returncode, told in run.stdout + run.stderr) == (code, True)


@pytest.mark.full
def test_output_is_the_table_alone(monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_APPRISE_URLS", "json://127.0.0.1:9/")
    command = [sys.executable, "-m", "notifications", "test"]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    rows = run.stdout.splitlines()[2:]
    assert [row.split("  ")[0] for row in rows] == NAMES
    assert all(" NO " in row and "refused" in row for row in rows)
