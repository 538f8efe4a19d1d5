"""A failed task in words: what failed, and what to do about it."""

import errno
import struct
from datetime import UTC, datetime

import pytest

from clickhouse.errors import ClickHouseUnavailable
from expectations.errors import DataRejected
from expectations.report import GateReport
from expectations.rules.class_balance import count_all, count_classes
from expectations.run_record import RuleRecord
from expectations.severity import LABEL_MORE
from expectations.thresholds import Thresholds
from ml.contract import REGIMES
from ml.errors import ModelBroken
from pipeline.failure import failure_message
from pipeline.thresholds import SettingError

LINKS = {"Log": "https://af.example/log", "Data Docs": "https://docs.example/page"}
PAGE = "/srv/docs/validations/regimes/manual__2026-11-22T02:00:00+00:00/20261122T020000Z/ab-c.html"


def _rejected(page: str | None = PAGE) -> DataRejected:
    row = {"symbol": "BTC", "timestamp": "2026-11-20 07:00:00", "adx": -3.2}
    rules = (
        RuleRecord("labelled samples", "at least 300", "", "219", "failed", (), "", LABEL_MORE),
        RuleRecord("adx", "0 to 100", "", "1 row", "failed", (row,) * 5, "", "Please correct adx."),
        RuleRecord("features vary", "yes", "", "no", "warned", (row,), ""),
    )
    counts = {"trend_up": 185, "range": 30, "breakout": 4}
    bounds = Thresholds()
    classes = count_classes(counts, REGIMES, bounds)
    return DataRejected(
        GateReport(
            run_id="r",
            time=datetime(2026, 11, 22, tzinfo=UTC),
            suite="regimes",
            table="t",
            rules=rules,
            classes=classes,
            total=count_all(classes, bounds),
            thresholds=bounds,
            database="d",
            page=page,
        )
    )


def test_rejected_data_is_told_with_rules_rows_labels_picture_and_links() -> None:
    message = failure_message("check_data", _rejected(), LINKS)
    assert message.text.startswith(
        "❌ Regime Detection Model Training Failed\n\nTask: check_data\n"
        "Error: Insufficient data quality\nSamples: 219 (need 300+)\n\n"
        "Please label more data and retry.\nPlease correct adx.\n\nFailed expectations:\n"
        "• labelled samples: expected at least 300, observed 219\n• adx: expected 0 to 100"
    )
    assert "• breakout: 4 (6 more needed)\n" in message.text
    assert "• all: 219 (81 more needed)\n" in message.text
    row = "• adx: symbol BTC, timestamp 2026-11-20 07:00:00, adx -3.2"
    assert message.details.count(row) == 3
    assert dict(message.links) == LINKS
    (picture,) = message.pictures
    assert struct.unpack(">II", picture.content[16:24]) == (1000, 600)


def test_picture_that_cannot_be_drawn_does_not_cost_the_message(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr("expectations.docs.balance_picture.class_balance_png", broken)
    message = failure_message("check_data", _rejected(None), {})
    assert (message.kind, message.pictures) == ("rejected", ())
    assert "is left out" in caplog.text


class AirflowTaskTimeout(BaseException):
    """As Airflow's, which is no Exception."""


@pytest.mark.parametrize(
    ("error", "told", "remedy"),
    [
        (
            ClickHouseUnavailable("http://ch:8123/m", "Refused."),
            "ClickHouse at http://ch:8123/m cannot be reached: Refused.",
            "See that the server is up",
        ),
        (SettingError("MIN_ACCURACY", "x", "0 to 1"), "MIN_ACCURACY is 'x'", "Correct it in Air"),
        (ModelBroken("candidate of run r", ("no",), "train again"), "The cand", "Train again."),
        (AirflowTaskTimeout("Timeout, PID: 3"), "AirflowTaskTimeout: Timeout", "what took so long"),
        (OSError(errno.ENOSPC, "No space left"), "OSError: [Errno 28] No space", "free space"),
        (PermissionError(13, "denied"), "PermissionError: [Errno 13] denied", "read and write"),
        (MemoryError(), "MemoryError", "more memory"),
        (ModuleNotFoundError("No module named 'onnx'"), "ModuleNotFound", "requirements.txt"),
        (KeyError("x"), "KeyError: 'x'", "Please read the task's log"),
    ],
)
def test_error_of_each_kind_has_its_remedy(error: BaseException, told: str, remedy: str) -> None:
    message = failure_message("train_model", error, {})
    assert message.lead[0] == "Task: train_model"
    assert message.lead[1].startswith(f"Error: {told}")
    assert remedy in message.lead[3]
