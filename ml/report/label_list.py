"""The list of rows to label next, for people: in lines, as CSV, and as a page."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ml.report.pages import render
from ml.words import when

COLUMNS: Final = ("rank", "symbol", "timestamp", "why", "production", "candidate", "regime_label")
"""Of the CSV; the last one is for the person who labels."""
_NOTHING: Final = (
    "nothing, every row without a label is within a day of a labelled one of its symbol"
)
_SHEETS: Final = ("html_report.css", "models_page.css", "label_page.css")
_FIRST: Final = 3

Rows = Sequence[Mapping[str, Any]]
"""As `WantedRow.to_dict` gives them."""


def list_line(rows: Rows) -> str:
    """The list in one line, with its first three rows."""
    if not rows:
        return f"Label next: {_NOTHING}."
    first = (f"{row['symbol']} {when(row['timestamp'])} ({row['why']})" for row in rows[:_FIRST])
    return f"Label next: {len(rows)} rows, first {'; '.join(first)}."


def list_text(rows: Rows) -> str:
    """The list in lines."""
    if not rows:
        return list_line(rows)
    wide = max(len(str(row["symbol"])) for row in rows)
    lines = (
        f"{row['rank']:>3}  {row['symbol']:{wide}}  {when(row['timestamp'])}  {row['why']}"
        for row in rows
    )
    return "\n".join(lines)


def list_csv(rows: Rows) -> str:
    """The list as CSV, with an empty column for the label."""
    told = io.StringIO()
    lines = csv.DictWriter(told, COLUMNS, "", "ignore", lineterminator="\n")
    lines.writeheader()
    lines.writerows(rows)
    return told.getvalue()


def label_page(made: Mapping[str, Any]) -> bytes:
    """Renders the page; the CSV is at `label-next.csv` beside it.

    Args:
        made: a `LabelList` as its `to_dict` gives it; empty before the first run.
    """
    rows = made.get("rows") or []
    reasons = Counter(str(row.get("why", "")).partition(" between ")[0] for row in rows)
    return render(
        "label_page.html.jinja", _SHEETS, made=made, rows=rows, reasons=reasons.most_common()
    )
