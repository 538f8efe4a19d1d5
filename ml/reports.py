"""Everything for people that is made of a candidate's metrics, as files by name."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from ml.decoration import decoration
from ml.html_report import html_report
from ml.names import CONFUSION_FILE, REPORT_FILE, REPORT_PAGE_FILE
from ml.plots import confusion_matrix_png
from ml.report import text_report

_PAGES: Final[Mapping[str, Callable[[Mapping[str, Any]], bytes]]] = {
    REPORT_FILE: lambda metrics: text_report(metrics).encode(errors="replace"),
    REPORT_PAGE_FILE: html_report,
}


def report_pages(metrics: Mapping[str, Any]) -> dict[str, bytes]:
    """The report as text and as a page; what cannot be made of these metrics is left out."""
    return _made(_PAGES, metrics)


def report_files(metrics: Mapping[str, Any]) -> dict[str, bytes]:
    """The report and the picture of the confusion matrix; likewise."""
    return _made({**_PAGES, CONFUSION_FILE: confusion_matrix_png}, metrics)


def _made(
    files: Mapping[str, Callable[[Mapping[str, Any]], bytes]], metrics: Mapping[str, Any]
) -> dict[str, bytes]:
    made = {}
    for name, make in files.items():
        with decoration(name):
            made[name] = make(metrics)
    return made
