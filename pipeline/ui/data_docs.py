"""The Data Docs site as it lies on disk, served page by page."""

from pathlib import Path

from fastapi.responses import Response

from pipeline.settings import read_data_docs_dir
from pipeline.ui.response import html, notice


def docs_page(path: str) -> Response:
    """Serves a page of the site; what is no page, or lies elsewhere, is not there."""
    file = _inside(read_data_docs_dir(), path)
    if file is not None:
        return html(file.read_bytes())
    if path == "index.html":
        return notice(
            "No run yet",
            "Here stands, after the first run, what the data gate said about the labelled samples.",
            "Start one: open regime_model_training under Dags and press Trigger.",
        )
    return notice("There is no such page", "The run is older than the last 200.", status=404)


def _inside(folder: Path, path: str) -> Path | None:
    try:
        file = (folder / path).resolve()
        is_page = file.suffix == ".html" and file.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return None
    return file if is_page and file.is_relative_to(folder.resolve()) else None
