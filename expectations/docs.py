"""The Data Docs site on disk: one page a run, an index, old runs removed.

The context is ephemeral: suites live in memory, only results and pages on disk. Of the layouts
tried it is the one that is safe when runs overlap (docs/decisions/002-ephemeral-gx-context.md).
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import great_expectations as gx
from great_expectations.data_context.types.base import DataContextConfig, ProgressBarsConfig

SITE = "data_docs"
_KEPT_RUNS = 200


def open_context(folder: Path, connection_url: str) -> Any:
    """Opens a Great Expectations context that writes results and pages below `folder`.

    Args:
        folder: `index.html` is the site's first page, `results/` holds the results as JSON.
        connection_url: what `${CLICKHOUSE_URL}` stands for; it is never written anywhere.
    """
    in_memory = {"class_name": "InMemoryStoreBackend"}
    config = DataContextConfig(
        config_version=4.0,
        expectations_store_name="suites",
        validation_results_store_name="results",
        checkpoint_store_name="checkpoints",
        stores={
            "suites": {"class_name": "ExpectationsStore", "store_backend": in_memory},
            "checkpoints": {"class_name": "CheckpointStore", "store_backend": in_memory},
            "validation_definition_store": {
                "class_name": "ValidationDefinitionStore",
                "store_backend": in_memory,
            },
            "results": {
                "class_name": "ValidationResultsStore",
                "store_backend": _on_disk(folder / "results"),
            },
        },
        data_docs_sites={
            SITE: {
                "class_name": "SiteBuilder",
                "show_how_to_buttons": False,
                "store_backend": _on_disk(folder),
                "site_index_builder": {
                    "class_name": "DefaultSiteIndexBuilder",
                    "validation_results_limit": _KEPT_RUNS,
                },
                "site_section_builders": {"profiling": "None"},
            }
        },
        progress_bars=ProgressBarsConfig(globally=False),
    )
    return gx.get_context(
        mode="ephemeral",
        project_config=config,
        runtime_environment={"CLICKHOUSE_URL": connection_url},
    )


def page_of(context: Any, result_id: Any) -> Path | None:
    """Finds the page of a validation on disk; None if Great Expectations could not make it."""
    urls = context.get_docs_sites_urls(resource_identifier=result_id, site_name=SITE)
    url = urls[0]["site_url"] if urls else None
    return Path(url2pathname(urlsplit(url).path)) if url else None


def forget_old_runs(context: Any) -> None:
    """Removes the results of all but the newest runs; the next build drops their pages."""
    store = context.validation_results_store
    keys = sorted(store.list_keys(), key=lambda key: key.run_id.run_time)
    for key in keys[:-_KEPT_RUNS]:
        store.remove_key(key)


def _on_disk(folder: Path) -> dict[str, str]:
    return {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)}
