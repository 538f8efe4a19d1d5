"""The Data Docs site on disk: one page a run, an index, old runs removed.

The context is ephemeral: suites live in memory, only results and pages on disk. Of the layouts
tried it is the one that is safe when runs overlap (docs/decisions/002-ephemeral-gx-context.md).
What the pages look like is in `expectations.docs.site` and its templates.
"""

import logging
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import great_expectations as gx
from great_expectations.data_context import EphemeralDataContext
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)

from expectations.docs.site import RESULTS, VALIDATIONS, files_below, page_of

SITE: Final = "data_docs"
_OURS: Final = "expectations.docs.site"
_KEPT_RUNS: Final = 200

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DocsPage:
    """What came of a run's page.

    Attributes:
        path: the page, None if it could not be made.
        problem: what went wrong with the page or the index, empty if nothing.
    """

    path: Path | None
    problem: str = ""


def open_context(
    folder: Path, connection_url: str, facts: Mapping[str, Any] | None = None
) -> EphemeralDataContext:
    """Opens a Great Expectations context that writes results and pages below `folder`.

    Args:
        folder: `index.html` is the site's first page, `results/` holds the results as JSON.
        connection_url: what `${CLICKHOUSE_URL}` stands for; it is never written anywhere.
        facts: plain values for the page of this run: `table` (database and table), `fingerprint`
            of its rows, `thresholds` by name.
    """
    ours = {"module_name": _OURS, "class_name": "RunSite"}
    site = {**ours, "folder": str(folder), "facts": dict(facts or {})}
    config = _config(_on_disk(folder / RESULTS), {SITE: site})
    return gx.get_context(
        mode="ephemeral",
        project_config=config,
        runtime_environment={"CLICKHOUSE_URL": connection_url},
    )


def open_context_without_site() -> EphemeralDataContext:
    """Opens a Great Expectations context that writes nothing."""
    return gx.get_context(mode="ephemeral", project_config=_config())


def _config(
    results: dict[str, Any] | None = None, sites: dict[str, Any] | None = None
) -> DataContextConfig:
    in_memory = InMemoryStoreBackendDefaults()
    if results:
        store = in_memory.stores[in_memory.validation_results_store_name]
        store["store_backend"] = results
    return DataContextConfig(
        store_backend_defaults=in_memory,
        data_docs_sites=sites or {},
        progress_bars=ProgressBarsConfig(globally=False),
    )


def publish(context: EphemeralDataContext, result_id: Any) -> DocsPage:
    """Makes the page of a run whose result is stored, and the index; forgets old runs.

    A page is never a reason to lose a verdict: whatever goes wrong is told, not raised.
    """
    problem, page = "", page_of(_folder(context), result_id)
    try:
        # A retry must not show the page of the try before it.
        page.unlink(missing_ok=True)
        forget_old_runs(context)
        context.build_data_docs(site_names=[SITE], resource_identifiers=[result_id])
    except Exception as error:
        log.exception("Data Docs could not be written completely")
        problem = f"{type(error).__name__}: {error}"
    return DocsPage(page if page.exists() else None, problem)


def forget_old_runs(context: EphemeralDataContext) -> None:
    """Removes results and pages of all but the newest runs, and pages that have no result."""
    results, pages = _folder(context) / RESULTS, _folder(context) / VALIDATIONS
    # The folder of a result is named for the time of its run, the one above for its id.
    runs = sorted({file.parent for file in files_below(results)}, key=lambda run: run.name)
    for run in runs[:-_KEPT_RUNS]:
        _remove_run(run)
    for run in {file.parent for file in files_below(pages)}:
        if not (results / run.relative_to(pages)).exists():
            _remove_run(run)


def _remove_run(run: Path) -> None:
    """Removes the folder of a run's time, and that of the run id if nothing else is in it."""
    # Another run may be removing the same.
    shutil.rmtree(run, ignore_errors=True)
    with suppress(OSError):
        run.parent.rmdir()


def _folder(context: EphemeralDataContext) -> Path:
    return Path(context.validation_results_store.store_backend.config["base_directory"]).parent


def _on_disk(folder: Path) -> dict[str, Any]:
    return {
        "module_name": _OURS,
        "class_name": "WholeFiles",
        "base_directory": str(folder),
        "suppress_store_backend_id": True,
    }
