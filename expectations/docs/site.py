"""Our parts of Great Expectations' site builder: what it asks for, rendered by our own templates.

Great Expectations' pages load 16 files from other hosts and write values from the data unescaped;
these load nothing and escape everything. Its builder logs what breaks a page; these raise it.
"""

import base64
import hashlib
import json
import os
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from great_expectations.data_context.store.tuple_store_backend import TupleFilesystemStoreBackend
from great_expectations.data_context.types.resource_identifiers import (
    SiteSectionIdentifier,
    ValidationResultIdentifier,
)
from great_expectations.render.renderer.site_builder import (
    DefaultSiteIndexBuilder,
    DefaultSiteSectionBuilder,
    SiteBuilder,
)
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from expectations.run_record import read_record

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
        path = Path(self.full_base_directory, place)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{uuid.uuid4().hex}.part")
        part.write_bytes(value.encode() if isinstance(value, str) else value)
        part.replace(path)


class RunSite(SiteBuilder):
    """The site without Great Expectations' 4 MB of styles and scripts."""

    def build(
        self, resource_identifiers: list[Any] | None = None, build_index: bool = True
    ) -> tuple[str | None, OrderedDict[str, Any] | None]:
        """Writes the pages of the given results, or of all, and the index."""
        try:
            for section in self.site_section_builders.values():
                section.build(resource_identifiers)
        finally:
            # A run whose page cannot be made has a line in the index all the same.
            _, links = self.site_index_builder.build(build_index=build_index)
        return self.get_resource_url(only_if_exists=False), links


class RunSectionBuilder(DefaultSiteSectionBuilder):
    """The pages of runs; whatever breaks one is raised, not logged."""

    def build(self, resource_identifiers: Iterable[Any] | None = None) -> None:
        """Writes the pages of the given results, or of all."""
        for key in resource_identifiers or self.source_store.list_keys():
            if isinstance(key, ValidationResultIdentifier):
                content = self.renderer_class.render(self.source_store.get(key))
                page = self.view_class.render(content)
                self.target_store.set(SiteSectionIdentifier(self.name, key), page)


class RunIndexBuilder(DefaultSiteIndexBuilder):
    """The index, made of the results that are on disk."""

    def build(
        self, skip_and_clean_missing: bool = True, build_index: bool = True
    ) -> tuple[None, OrderedDict[str, Any] | None]:
        """Writes the index."""
        if not build_index:
            return None, None
        links = OrderedDict(site_name=self.site_name)
        while True:
            seen = self.renderer_class.runs()
            page = self.view_class.render(self.renderer_class.render(links))
            self.target_store.write_index_page(page)
            # Of runs that end together the last to write may have looked first: what came since is
            # in nobody's index, unless each looks again after its own write.
            if self.renderer_class.runs() == seen:
                return None, links


class RunRenderer:
    """Makes a result to what its page shows."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._facts = facts

    def render(self, result: Any) -> dict[str, Any]:
        """Gives the template's variables."""
        run = read_record(result.to_json_dict())
        # The facts are of one run, and `build_data_docs` may be asked for pages of others.
        own = str(self._facts.get("table", "")).rpartition(".")[2] == run.table
        unknown = {"table": run.table, "fingerprint": "", "converted": (), "thresholds": {}}
        return {
            "run": run,
            "facts": unknown | (dict(self._facts) if own else {}),
            "index": "../" * (len(run.suite.split(".")) + 3) + "index.html",
        }


class IndexRenderer:
    """Lists the runs whose results are on disk."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def runs(self) -> dict[Path, tuple[int, bool]]:
        """Finds the results, when each was written and whether it has a page; newest run first."""
        found = {}
        for path in files_below(self._folder / RESULTS):
            if path.suffix != ".json":
                continue
            try:
                found[path] = (path.stat().st_mtime_ns, self._page(path).exists())
            except FileNotFoundError:  # another run has just forgotten it
                continue
        return dict(sorted(found.items(), key=lambda entry: entry[0].parent.name, reverse=True))

    def render(self, _: Any) -> dict[str, Any]:
        """Gives the template's variables."""
        found = self.runs().items()
        return {"rows": [row for path, (_, paged) in found if (row := self._row(path, paged))]}

    def _row(self, path: Path, paged: bool) -> dict[str, Any] | None:
        """One run, without a record if its result is not one; None if it is gone."""
        try:
            run = read_record(json.loads(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            run = None
        link = quote(self._page(path).relative_to(self._folder).as_posix()) if paged else None
        return {"run": run, "name": path.parent.parent.name, "link": link}

    def _page(self, result: Path) -> Path:
        place = result.relative_to(self._folder / RESULTS)
        return (self._folder / VALIDATIONS / place).with_suffix(".html")


class PageView:
    """Renders a template, with everything in it escaped and our style sheet as its only style."""

    def __init__(self, template: str) -> None:
        self._template = _environment().get_template(template)

    def render(self, variables: Mapping[str, Any], **_: Any) -> str:
        """Renders the page."""
        css = (_FOLDER / "docs.css").read_text(encoding="utf-8")
        digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
        return self._template.render(variables, css=css, css_hash=digest)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
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
