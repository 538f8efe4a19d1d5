"""The picture of the labels by regime."""

import struct
import subprocess
import sys

import pytest

from expectations.docs.balance_picture import class_balance_png
from expectations.rules.class_balance import count_classes
from expectations.run_record import ClassCount
from expectations.thresholds import Thresholds
from ml.contract import REGIMES

COUNTS = {"trend_up": 185, "range": 30, "breakout": 4}
CLASSES = count_classes(COUNTS, REGIMES, Thresholds())


def test_picture_is_a_png_that_fits_a_chat_and_is_the_same_each_time():
    content = class_balance_png(CLASSES, "Rejected: 2 of 71 rules")
    assert content.startswith(b"\x89PNG\r\n")
    assert struct.unpack(">II", content[16:24]) == (1000, 600)
    assert len(content) < 300_000
    assert content == class_balance_png(CLASSES, "Rejected: 2 of 71 rules")


@pytest.mark.parametrize(
    "classes",
    [(), (ClassCount("a", 0, 0.0, 0, ""),), (ClassCount(r"$\frac{ <b>", 3, 1.0, 7, "$x"),)],
    ids=["none", "no rows", "odd name"],
)
def test_picture_of_unusual_counts_is_drawn(classes):
    assert class_balance_png(classes, r"Rejected: $\frac{").startswith(b"\x89PNG")


def test_module_loads_without_matplotlib():
    code = "import sys, expectations.docs.balance_picture; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
