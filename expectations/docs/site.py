"""Great Expectations' site as we build it: what it asks for, rendered by our own templates.

Great Expectations' pages load 16 files from other hosts and write values from the data unescaped;
these load nothing and escape everything. Its builder logs what breaks a page; these raise it.
"""

import json
import os
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from great_expectations.data_context.store.tuple_store_backend import TupleFilesystemStoreBackend
from jinja2 import Environment, StrictUndefined

from expectations.run_record import read_record
from theme.pages import page_templates

RESULTS: Final = "results"
VALIDATIONS: Final = "validations"
_FOLDER: Final = Path(__file__).parent


def files_below(folder: Path) -> list[Path]:
    """Lists all files, in no order."""
    # Path.rglob raises when another run removes a folder meanwhile; os.walk passes over it.
    return [Path(place, name) for place, _, names in os.walk(folder) for name in names]


class WholeFiles(TupleFilesystemStoreBackend):
    """A folder whose files appear complete: other runs and readers never see half of one."""

    def _set(self, key: tuple[str, ...], value: str | bytes, **_: Any) -> None:
        place = self._convert_key_to_filepath(key)  # type: ignore[no-untyped-call]
        write_whole(Path(self.full_base_directory, place), value)


def write_whole(path: Path, content: str | bytes) -> None:
    """Puts a file in place in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{uuid.uuid4().hex}.part")
    part.write_bytes(content.encode() if isinstance(content, str) else content)
    part.replace(path)


class RunSite:
    """What Great Expectations asks for its site: a page of each run, and the index."""

    def __init__(self, data_context: Any, folder: str, facts: Mapping[str, Any], **_: Any) -> None:
        self._results = data_context.validation_results_store
        self._folder = Path(folder)
        self._facts = facts

    def build(
        self, resource_identifiers: Iterable[Any] | None = None, build_index: bool = True
    ) -> None:
        """Writes the pages of the given results, or of all, and the index; raises what breaks."""
        try:
            for key in resource_identifiers or self._results.list_keys():
                result = self._results.get(key).to_json_dict()
                write_whole(page_of(self._folder, key), run_page(result, self._facts))
        finally:
            # A run whose page cannot be made has a line in the index all the same.
            if build_index:
                self._write_index()

    def _write_index(self) -> None:
        while True:
            seen = runs_in(self._folder)
            write_whole(self._folder / "index.html", index_page(self._folder))
            # Of runs that end together the last to write may have looked first: what came since is
            # in nobody's index, unless each looks again after its own write.
            if runs_in(self._folder) == seen:
                return


def page_of(folder: Path, key: Any) -> Path:
    """Where the page of a result is, by Great Expectations' identifier of it."""
    path = folder.joinpath(VALIDATIONS, *key.to_tuple())
    return path.with_name(f"{path.name}.html")


def run_page(result: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Renders a stored result; the facts are left out where they are of another table."""
    run = read_record(result)
    own = str(facts.get("table", "")).rpartition(".")[2] == run.table
    unknown = {"table": run.table, "fingerprint": "", "converted": (), "thresholds": {}}
    index = "../" * (len(run.suite.split(".")) + 3) + "index.html"
    facts = unknown | (dict(facts) if own else {})
    return _rendered("run_page.html.jinja", run=run, facts=facts, index=index)


def runs_in(folder: Path) -> dict[Path, tuple[int, bool]]:
    """Finds the results, when each was written and whether it has a page; newest run first."""
    found = {}
    for path in files_below(folder / RESULTS):
        if path.suffix != ".json":
            continue
        try:
            found[path] = (path.stat().st_mtime_ns, _page_beside(folder, path).exists())
        except FileNotFoundError:  # another run has just forgotten it
            continue
    return dict(sorted(found.items(), key=lambda entry: entry[0].parent.name, reverse=True))


def index_page(folder: Path) -> str:
    """Renders the list of the runs whose results are on disk."""
    found = runs_in(folder).items()
    rows = [row for path, (_, paged) in found if (row := _row(folder, path, paged))]
    return _rendered("run_index.html.jinja", rows=rows)


def _row(folder: Path, path: Path, paged: bool) -> dict[str, Any] | None:
    """One run, without a record if its result is not one; None if it is gone."""
    try:
        run = read_record(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        run = None
    page = _page_beside(folder, path).relative_to(folder).as_posix()
    return {"run": run, "name": path.parent.parent.name, "link": quote(page) if paged else None}


def _page_beside(folder: Path, result: Path) -> Path:
    return (folder / VALIDATIONS / result.relative_to(folder / RESULTS)).with_suffix(".html")


def _rendered(template: str, **variables: Any) -> str:
    """Renders a template, with everything in it escaped and our style sheets as its only style."""
    css = (_FOLDER / "docs.css").read_text(encoding="utf-8")
    return _environment().get_template(template).render(variables, css=css)


@cache
def _environment() -> Environment:
    environment = page_templates(
        _FOLDER, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": number, "when": when}
    return environment


def number(value: Any) -> str:
    """A value for people.

    >>> number(12345), number(0.25), number(None), number("trend_up")
    ('12,345', '0.25', 'none', 'trend_up')
    """
    if value is None:
        return "none"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def when(time: datetime) -> str:
    """A time in UTC, to the minute.

    >>> when(datetime.fromisoformat("2026-11-22T04:00:30+02:00"))
    '2026-11-22 02:00'
    """
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
