"""Reads the pipeline's settings: Airflow Variables, overridden by a run's Params.

All are read when a task runs and checked at once; none is read while Airflow parses the DAG.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from airflow.sdk import Connection, Variable
from airflow.sdk.exceptions import AirflowNotFoundException

from ml.errors import ModelError
from ml.evaluation.switching import COSTS_FORM, Costs, read_costs
from pipeline.thresholds import THRESHOLDS, SettingError

if TYPE_CHECKING:
    from ml.registry.store import Store

ON_DOUBT: Final = ("ask", "keep")
_QUOTES: Final = tuple("'\"`\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}")
_NO_FOLDER: Final = re.compile(r"""(^|/)~|[$`'"\\*?<>|{}%]|^[A-Za-z][A-Za-z0-9+.-]*:""")
"""What a shell or another system would have replaced, and a URL with a slash too few."""
_MODELS: Final = "a folder, or the URL of an object store such as s3://connection@bucket/models"
_FOLDER: Final = "a folder's whole path, such as /app/models: nothing in it is replaced"
REPOSITORY: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    """The settings of one run; the field names are the Variables' in lower case."""

    min_labeled_samples: int
    min_classes: int
    min_samples_per_class: int
    min_class_share: float
    max_class_share: float
    min_accuracy: float
    min_improvement: float
    max_p_value: float | None
    min_holdout_days: int
    min_holdout_runs: int
    on_doubt: str | None
    max_slice_loss: float | None
    decision_costs: Costs | None
    holdout_fraction: float
    embargo_hours: float
    max_train_rows: int
    labels_wanted: int
    max_label_age_days: float | None
    models_dir: str
    data_docs_dir: Path
    snapshot_database: str | None
    train_dask_scheduler: str | None

    def __post_init__(self) -> None:
        if self.min_class_share > self.max_class_share:
            allowed = f"at most MAX_CLASS_SHARE ({self.max_class_share:g})"
            raise SettingError("MIN_CLASS_SHARE", self.min_class_share, allowed)

    @property
    def models(self) -> "Store":
        """The place of the models, open.

        Raises:
            SettingError: if MODELS_DIR is the URL of nothing that can be opened.
        """
        return _opened(self.models_dir)

    @property
    def embargo(self) -> timedelta:
        """The gap between training rows and holdout."""
        return timedelta(hours=self.embargo_hours)


def read_settings(params: Mapping[str, Any] | None = None) -> Settings:
    """Reads and checks all settings of a run; one of its Params takes the place of the Variable.

    Raises:
        SettingError: naming the setting, its value and what is allowed.
    """
    given = {name: value for name, value in (params or {}).items() if value is not None}
    numbers: dict[str, Any] = {
        field: number.parse(given.get(field, Variable.get(number.name, default=None)))
        for field, number in THRESHOLDS.items()
    }
    return Settings(
        **numbers,
        models_dir=_address("MODELS_DIR", "models"),
        data_docs_dir=read_data_docs_dir(),
        snapshot_database=read_text("SNAPSHOT_DATABASE"),
        train_dask_scheduler=read_text("TRAIN_DASK_SCHEDULER"),
        on_doubt=_on_doubt(),
        decision_costs=_decision_costs(),
    )


def read_text(name: str) -> str | None:
    """Reads a setting that is a text, without the blanks around it; None if it is not given.

    Raises:
        SettingError: if it has quotes around it or more than one line, as a pasted one may: they
            would become part of a name, and of another place.
    """
    value = Variable.get(name, default=None)
    text = "" if value is None else str(value).strip()
    if text[:1] in _QUOTES or text[-1:] in _QUOTES:
        raise SettingError(name, value, "the same without quotes")
    if not text.isprintable():
        raise SettingError(name, value, "one line of visible characters")
    return text or None


def read_models() -> "Store":
    """Opens the place of the models, whatever the other settings are.

    Raises:
        SettingError: if MODELS_DIR is the URL of nothing that can be opened.
    """
    return _opened(_address("MODELS_DIR", "models"))


def read_data_docs_dir() -> Path:
    """Reads the folder of the Data Docs, whatever the other settings are.

    Raises:
        SettingError: if it is a URL.
    """
    address = _address("DATA_DOCS_DIR", "data_docs")
    if "://" in address:
        raise SettingError("DATA_DOCS_DIR", address, "a folder of this machine")
    return Path(address)


def read_replays_dir() -> Path:
    """The folder of the replays: below the Data Docs, which workers write and the UI shows."""
    return read_data_docs_dir() / "replays"


def _on_doubt() -> str | None:
    value = read_text("ON_DOUBT")
    if value not in {None, *ON_DOUBT}:
        raise SettingError("ON_DOUBT", value, f"{' or '.join(ON_DOUBT)} (default {ON_DOUBT[0]})")
    return value


def _decision_costs() -> Costs | None:
    value = Variable.get("DECISION_COSTS", default=None)
    if value is None or not str(value).strip():
        return None
    try:
        return read_costs(str(value))
    except ModelError as error:
        raise SettingError("DECISION_COSTS", value, COSTS_FORM) from error


def _opened(models_dir: str) -> "Store":
    try:
        return _open_models(models_dir)
    except ValueError as error:
        raise SettingError("MODELS_DIR", models_dir, f"{_MODELS} ({error})") from error


def _open_models(models_dir: str) -> "Store":
    """Opens an object store with the credentials of the Connection that stands before the `@`.

    Without one they come from the environment, and a folder needs none.
    """
    from airflow.sdk import ObjectStoragePath
    from airflow.sdk.io.fs import has_fs

    from ml.registry.models import open_store
    from ml.registry.object_store import SCHEMES, ObjectStore

    scheme, separator, _ = models_dir.partition("://")
    if not separator or scheme not in SCHEMES or not has_fs(scheme):
        return open_store(models_dir)
    connection = urlsplit(models_dir).username
    try:
        # Amazon's own hook would take the credentials of the environment instead, and go on.
        _ = connection and Connection.get(connection)
    except AirflowNotFoundException as error:
        raise ValueError(f"the Connection {connection} is not defined") from error
    path = ObjectStoragePath(models_dir)
    return ObjectStore(path.fs, path.path.rstrip("/"), f"{scheme}://{path.path}".rstrip("/"))


def _address(name: str, default: str) -> str:
    value = read_text(name) or default
    if "://" in value:
        return value
    if _NO_FOLDER.search(value):
        raise SettingError(name, value, _FOLDER)
    return str(REPOSITORY / value)
