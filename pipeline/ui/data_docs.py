"""The Data Docs site as it lies on disk: finds the page of a run, and serves its pages."""

from pathlib import Path
from urllib.parse import quote

from fastapi.responses import Response

from expectations.run_record import folder_of_run
from pipeline.settings import read_data_docs_dir
from pipeline.ui.response import html, notice


def page_of_run(run_id: str) -> str | None:
    """Finds a run's newest page; its address below the site's."""
    folder = read_data_docs_dir()
    # Folders: suite, run, time of the try. The name is compared, so it can be any text.
    name = folder_of_run(run_id)
    found = [path for path in folder.glob("validations/*/*/*/*.html") if _run_of(path) == name]
    if not found:
        return None
    newest = max(found, key=lambda path: path.parent.name)
    return quote(newest.relative_to(folder).as_posix())


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


def _run_of(path: Path) -> str:
    return path.parent.parent.name


def _inside(folder: Path, path: str) -> Path | None:
    try:
        file = (folder / path).resolve()
        is_page = file.suffix == ".html" and file.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return None
    return file if is_page and file.is_relative_to(folder.resolve()) else None
