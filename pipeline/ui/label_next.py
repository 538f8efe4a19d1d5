"""The page Label next and its CSV, of the list that the last run has left."""

from typing import Any

from fastapi.responses import Response

from pipeline.label_next import LIST_FILE
from pipeline.settings import read_data_docs_dir
from pipeline.ui.response import html


def label_next() -> Response:
    """Shows the list."""
    from ml.report.label_list import label_page

    return html(label_page(_kept()))


def label_next_csv() -> Response:
    """Serves the list as a file to label in, or to import into Label Studio."""
    from ml.report.label_list import list_csv

    headers = {
        "Content-Disposition": 'attachment; filename="label_next.csv"',
        "Cache-Control": "no-store",
    }
    return Response(
        list_csv(_kept().get("rows", ())), media_type="text/csv; charset=utf-8", headers=headers
    )


def _kept() -> dict[str, Any]:
    from ml.json_files import read_object
    from ml.registry.store import Folder

    return read_object(Folder(read_data_docs_dir()).read(LIST_FILE)) or {}
