"""Keeps the list of rows to label next: as a table beside the snapshots, and for its page.

It adorns a run: whatever breaks it is logged, and the run goes on.
"""

import logging
from typing import Final

from ml.errors import decoration
from pipeline.connection import clickhouse_engine
from pipeline.settings import Settings

log = logging.getLogger(__name__)

LIST_FILE: Final = "labels_wanted.json"
"""In DATA_DOCS_DIR, which the api-server reads: it may not be able to reach ClickHouse."""


def list_labels(settings: Settings, run_id: str, candidate: bytes | None = None) -> str:
    """Makes the list of a run and keeps it in place of the former one.

    Returns:
        A line about it for people; empty if there is no list.
    """
    if not settings.labels_wanted:
        return ""
    with decoration("The list of rows to label next"):
        from ml.json_files import as_json
        from ml.labelling.listing import keep_list, make_list
        from ml.labelling.ranking import Wishes
        from ml.registry.models import read_production
        from ml.registry.store import Folder
        from ml.report.label_list import list_line

        wishes = Wishes(
            settings.labels_wanted,
            settings.holdout_fraction,
            settings.min_samples_per_class,
            settings.min_class_share,
        )
        production = read_production(settings.models)
        with clickhouse_engine() as engine:
            model = production.model if production else None
            made = make_list(engine, wishes, model, candidate, run_id)
            content = made.to_dict()
            Folder(settings.data_docs_dir).write(LIST_FILE, as_json(content))
            with decoration("The table regime_labels_wanted"):
                keep_list(engine, settings.snapshot_database, made)
        told = list_line(content["rows"])
        log.info("%s", told)
        return told
    return ""
