"""The names of what is ours in MODELS_DIR; whatever else lies there is a person's, and left alone.

regime_detector.onnx, regime_detector_metrics.json     production
backups/2026-11-22T021500Z_0a1b2c3d/                   a former pair: when, and its digest
candidates/scheduled__2026-11-22T02_00_00-ba2d8a54/    a run's model, by the run's id
watch.json                                             what regime_model_watch found of each day
.tmp-*-0a1b2c3d                                        what a write has under way
"""

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

PRODUCTION: Final = "regime_detector.onnx"
PRODUCTION_METRICS: Final = "regime_detector_metrics.json"
MODEL_FILE: Final = "model.onnx"
METRICS_FILE: Final = "metrics.json"
REPORT_FILE: Final = "report.txt"
REPORT_PAGE_FILE: Final = "report.html"
CONFUSION_FILE: Final = "confusion_matrix.png"
WATCH_FILE: Final = "watch.json"
CANDIDATE_FILES: Final = frozenset(
    {MODEL_FILE, METRICS_FILE, REPORT_FILE, REPORT_PAGE_FILE, CONFUSION_FILE}
)
LOCK: Final = ".lock"

_STAMP: Final = "%Y-%m-%dT%H%M%SZ"
_BACKUP: Final = re.compile(r"[12]\d{3}-\d\d-\d\dT\d{6}Z_[0-9a-f]{8}", re.ASCII)
_CANDIDATE: Final = re.compile(r"[\w-]{0,80}-[0-9a-f]{8}", re.ASCII)
_TEMPORARY: Final = re.compile(r"\.tmp-(?s:.*-)?[0-9a-f]{8}")


def candidate_folder(run_id: str) -> str:
    """Names a run's folder: readable, safe, and different for different runs.

    >>> candidate_folder("scheduled__2026-11-22T02:00:00+00:00")
    'candidates/scheduled__2026-11-22T02_00_00_00_00-ba2d8a54'
    """
    readable = re.sub(r"[^\w-]", "_", run_id, flags=re.ASCII)[:80]
    digest = hashlib.sha256(run_id.encode(errors="replace")).hexdigest()
    return f"candidates/{readable}-{digest[:8]}"


def backup_name(now: datetime, sha256: str, newest: str | None = None) -> str:
    """Names the backup of a model, so that the order of names is that of the backups.

    >>> backup_name(datetime(2026, 11, 22, tzinfo=UTC), "ab" * 32, "2026-11-22T000000Z_cdcdcdcd")
    '2026-11-22T000001Z_abababab'
    """
    moment = now.astimezone(UTC).replace(microsecond=0, tzinfo=None)
    last = _stamped(newest) if newest else None
    if last and last >= moment:
        # Two changes within a second, or a clock that went back.
        moment = last + timedelta(seconds=1)
    return f"{moment:{_STAMP}}_{sha256[:8]}"


def is_backup(name: str) -> bool:
    """Whether a folder of `backups/` has a name that we give.

    >>> is_backup("2026-11-22T021500Z_0a1b2c3d"), is_backup("keep_me")
    (True, False)
    """
    return _stamped(name) is not None


def is_candidate(name: str) -> bool:
    """Whether a folder of `candidates/` has a name that we may have given."""
    return _CANDIDATE.fullmatch(name) is not None


def temporary_name(name: str) -> str:
    """A name for what becomes a file or folder of that name when it is complete."""
    return f".tmp-{name}-{uuid4().hex[:8]}"


def is_temporary(name: str) -> bool:
    """Whether a name is one of those."""
    return _TEMPORARY.fullmatch(name) is not None


def _stamped(name: str) -> datetime | None:
    if not _BACKUP.fullmatch(name):
        return None
    try:
        return datetime.strptime(name.partition("_")[0], _STAMP)  # noqa: DTZ007 - it is UTC
    except ValueError:
        return None
