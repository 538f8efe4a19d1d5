"""Everything for people that is made of a candidate's metrics, as files by name."""

from collections.abc import Mapping
from typing import Any

from ml.html_report import html_report
from ml.names import CONFUSION_FILE, REPORT_FILE, REPORT_PAGE_FILE
from ml.plots import confusion_matrix_png
from ml.report import text_report


def report_pages(metrics: Mapping[str, Any]) -> dict[str, bytes]:
    """The report as text and as a page."""
    return {REPORT_FILE: text_report(metrics).encode(), REPORT_PAGE_FILE: html_report(metrics)}


def report_files(metrics: Mapping[str, Any]) -> dict[str, bytes]:
    """The report and the picture of the confusion matrix."""
    return report_pages(metrics) | {CONFUSION_FILE: confusion_matrix_png(metrics)}
