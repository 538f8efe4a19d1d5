"""The picture of the confusion matrix."""

import struct
import subprocess
import sys

import pytest

from ml.report.plots import confusion_matrix_png
from tests.ml.report_example import example_metrics


def test_picture_is_a_png_that_fits_a_chat():
    content = confusion_matrix_png(example_metrics())

    assert content.startswith(b"\x89PNG\r\n")
    assert struct.unpack(">II", content[16:24]) == (800, 800)
    assert len(content) < 300_000


def test_same_metrics_give_the_same_picture():
    assert confusion_matrix_png(example_metrics()) == confusion_matrix_png(example_metrics())


def test_picture_is_the_same_whatever_style_a_person_has_chosen():
    import matplotlib

    expected = confusion_matrix_png(example_metrics())
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        assert confusion_matrix_png(example_metrics()) == expected


@pytest.mark.parametrize("state", [{"deploy": False}, {"judged": False}, {"production": False}])
def test_picture_of_each_state_differs(state):
    assert confusion_matrix_png(example_metrics(**state)) != confusion_matrix_png(example_metrics())


def test_picture_of_names_that_look_like_formulas_is_drawn():
    metrics = example_metrics()
    metrics["regimes"][0]["regime"] = r"$\frac{"

    assert confusion_matrix_png(metrics)


def test_picture_of_regimes_without_rows_is_drawn(built):
    metrics = built.metrics | {"confusion_matrix": [[0] * 7 for _ in range(7)]}

    assert confusion_matrix_png(metrics)


def test_module_loads_without_matplotlib():
    code = "import sys, ml.report.plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
