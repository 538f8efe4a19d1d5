"""Command line: try the channels out, or look at the messages.

Settings are the pipeline's own, from the environment (AIRFLOW_VAR_TELEGRAM_BOT_TOKEN and the like)
or from Airflow.
"""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from tabulate import tabulate

from notifications.channels import Channels
from notifications.message import Message, Picture
from notifications.preview import preview_page
from notifications.samples import sample_messages
from notifications.sender import send

_UNDELIVERED: Final = 1
_NOT_CONFIGURED: Final = 2
_PAUSES: Final = (2.0,)
_RULER: Final = "-" * 72
_NO_CHANNEL: Final = (
    "error: no channel is configured: set AIRFLOW_VAR_TELEGRAM_BOT_TOKEN and "
    "AIRFLOW_VAR_TELEGRAM_ADMIN_CHAT_ID, or AIRFLOW_VAR_SLACK_WEBHOOK_URL, or "
    "AIRFLOW_VAR_SLACK_BOT_TOKEN and AIRFLOW_VAR_SLACK_CHANNEL, or AIRFLOW_VAR_APPRISE_URLS"
)
_EXIT_CODES: Final = (
    "exit codes: 0 everything was delivered, 1 something was not, 2 no channel is configured"
)

app = typer.Typer(
    help="Tries the channels out, or shows the messages.",
    epilog=_EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code, as `--help` lists them."""
    try:
        app(arguments, prog_name="python -m notifications")
        return 0
    except SystemExit as ended:
        return int(ended.code or 0)


@app.command()
def preview(
    page: Annotated[Path, typer.Option(help="Page to write.")] = Path("messages.html"),
) -> None:
    """Print the messages and write a page that shows them as the chats would."""
    messages = sample_messages(_pictures())
    for name, message in messages.items():
        print(f"{_RULER}\n{name}\n{_RULER}\n{message.text}\n")
    page.write_text(preview_page(messages), encoding="utf-8")
    print(f"As the chats show them: {page.resolve()}")


@app.command("test", epilog=_EXIT_CODES)
def send_samples(
    airflow: Annotated[
        bool,
        typer.Option(
            "--airflow", help="Read Variables and apprise_default in Airflow's database too."
        ),
    ] = False,
) -> None:
    """Send a sample of each message to every channel."""
    channels = _read_channels(with_database=airflow)
    raise typer.Exit(_test(sample_messages(_pictures()), channels))


def _test(messages: Mapping[str, Message], channels: Channels) -> int:
    sent = [
        (name, delivery)
        for name, message in messages.items()
        for delivery in send(message, channels, pauses=_PAUSES)
    ]
    if not sent:
        print(_NO_CHANNEL, file=sys.stderr)
        return _NOT_CONFIGURED
    rows = [(name, d.channel, "yes" if d.delivered else "NO", d.detail) for name, d in sent]
    print(tabulate(rows, headers=("message", "channel", "delivered", "")))
    # A lost picture is no lost message, but whoever tries the channels out wants both.
    return _UNDELIVERED if any(d.detail or not d.delivered for _, d in sent) else 0


def _read_channels(*, with_database: bool) -> Channels:
    if with_database:
        # As Airflow's own commands do; outside of a task it would read the environment alone.
        os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    from pipeline.alerts import read_channels  # noqa: PLC0415 - takes Airflow, seconds

    return read_channels()


def _pictures() -> dict[str, Picture]:
    """The pictures that messages can have, of made-up numbers, by the name of their sample."""
    from expectations.docs.balance_picture import class_balance_png  # noqa: PLC0415 - takes seconds
    from expectations.rules.class_balance import count_classes  # noqa: PLC0415
    from expectations.thresholds import Thresholds  # noqa: PLC0415
    from ml.contract import REGIMES  # noqa: PLC0415
    from ml.report.plots import confusion_matrix_png  # noqa: PLC0415

    counts = {"trend_up": 185, "trend_down": 31, "range": 30, "breakout": 4}
    classes = count_classes(counts, REGIMES, Thresholds())
    matrices = {
        name: Picture("confusion_matrix.png", confusion_matrix_png(metrics))
        for name, metrics in (
            ("deployed", _metrics(106, deploy=True)),
            ("kept", _metrics(96, deploy=False)),
        )
    }
    balance = Picture("class_balance.png", class_balance_png(classes, "Rejected: 3 of 71 rules"))
    return {**matrices, "rejected": balance}


def _metrics(right: int, *, deploy: bool) -> dict[str, Any]:
    """As much of a candidate's metrics as its picture needs; every error names the next regime."""
    rows, regimes = 135, 7
    return {
        "decision": {"deploy": deploy},
        "deployed_at": deploy,
        "test_accuracy": right / rows,
        "production_accuracy": 98 / rows,
        "holdout_samples": rows,
        "confusion_matrix": [
            [
                (right + true) // regimes * (named == true)
                + (rows - right + true) // regimes * (named == (true + 1) % regimes)
                for named in range(regimes)
            ]
            for true in range(regimes)
        ],
    }


if __name__ == "__main__":
    # Each channel's answer stands in the table.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    sys.exit(main())
