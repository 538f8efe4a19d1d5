"""What a run has left for people to read, as it lies on disk: its Data Docs and its report."""

from pathlib import Path
from urllib.parse import quote

from expectations.run_record import folder_of_run
from pipeline.settings import read_data_docs_dir, read_models


def docs_of_run(run_id: str) -> str | None:
    """Finds a run's newest page of Data Docs; its address below the site's."""
    folder = read_data_docs_dir()
    # Folders: suite, run, time of the try. The name is compared, so it can be any text.
    name = folder_of_run(run_id)
    found = [path for path in folder.glob("validations/*/*/*/*.html") if _run_of(path) == name]
    if not found:
        return None
    newest = max(found, key=lambda path: path.parent.name)
    return quote(newest.relative_to(folder).as_posix())


def report_of_run(run_id: str) -> bytes | None:
    """Reads the report of a run's candidate."""
    from ml.registry.names import REPORT_PAGE_FILE, candidate_folder

    return read_models().read(f"{candidate_folder(run_id)}/{REPORT_PAGE_FILE}")


def _run_of(path: Path) -> str:
    return path.parent.parent.name
