"""Reads the pipeline's settings: Airflow Variables, overridden by a run's Params.

All are read when a task runs and checked at once; none is read while Airflow parses the DAG.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import Param, Variable

if TYPE_CHECKING:
    from ml.storage import Store

REPOSITORY: Final = Path(__file__).resolve().parent.parent


class SettingError(ValueError):
    """A setting that does not parse, is out of range, or contradicts another."""

    def __init__(self, name: str, value: object, allowed: str) -> None:
        super().__init__(name, value, allowed)
        self.name = name
        self.value = value
        self.allowed = allowed

    def __str__(self) -> str:
        return (
            f"{self.name} is {self.value!r}, but allowed is {self.allowed}. What to do: correct it "
            f"in Airflow (Admin, Variables), in AIRFLOW_VAR_{self.name}, or in the trigger form."
        )


class Section(StrEnum):
    """What a setting belongs to: a heading of the trigger form."""

    DATA_GATE = "Data gate"
    TRAINING = "Training and holdout"
    PROMOTION_GATE = "Promotion gate"


@dataclass(frozen=True)
class Number:
    """A numeric setting: its section, Variable's name, default, bounds, and help for people."""

    section: Section

    name: str
    default: float | None
    low: float
    high: float
    whole: bool
    help: str

    def parse(self, value: object) -> float | int | None:
        """Turns a Variable's text or a Param's value into a number within bounds.

        Raises:
            SettingError: if it is none, naming what is allowed.

        >>> THRESHOLDS["min_accuracy"].parse(" 0.7 ")
        0.7
        """
        if value is None or value == "":
            return self.default
        try:
            number = int(str(value)) if self.whole else float(str(value))
        except ValueError:
            raise SettingError(self.name, value, self.allowed) from None
        if not math.isfinite(number) or not self.low <= number <= self.high:
            raise SettingError(self.name, value, self.allowed)
        return number

    @property
    def allowed(self) -> str:
        """The range in words."""
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} from {self.low:g} to {self.high:g} (default {self.default_text})"

    @property
    def default_text(self) -> str:
        """The default as people read it."""
        return "none" if self.default is None else f"{self.default:g}"

    def param(self) -> Param:
        """The field of the trigger form that overrides this setting for one run."""
        return Param(
            None,
            type=["null", "integer" if self.whole else "number"],
            title=self.name,
            description=f"{self.help} Empty: the Variable, or else {self.default_text}.",
            minimum=self.low,
            maximum=self.high,
            section=str(self.section),
        )


_GATE, _TRAINING, _PROMOTION = Section

THRESHOLDS: Final = {
    number.name.lower(): number
    for number in (
        Number(_GATE, "MIN_LABELED_SAMPLES", 300, 1, 1e12, True, "Fewest labelled samples."),
        Number(_GATE, "MIN_CLASSES", 3, 2, 7, True, "Fewest different regimes."),
        Number(_GATE, "MIN_SAMPLES_PER_CLASS", 10, 1, 1e12, True, "Fewest samples of a regime."),
        Number(_GATE, "MIN_CLASS_SHARE", 0.01, 0, 1, False, "Smallest share of a regime."),
        Number(_GATE, "MAX_CLASS_SHARE", 0.70, 0, 1, False, "Largest share of a regime."),
        Number(
            _GATE,
            "MAX_LABEL_AGE_DAYS",
            None,
            0,
            3650,
            False,
            "Oldest that the newest label may be.",
        ),
        Number(
            _PROMOTION, "MIN_ACCURACY", 0.65, 0, 1, False, "Lowest accuracy that may be deployed."
        ),
        Number(
            _PROMOTION, "MIN_IMPROVEMENT", 0.0, 0, 1, False, "Beat production by more than this."
        ),
        Number(
            _PROMOTION,
            "MAX_P_VALUE",
            None,
            0,
            1,
            False,
            "Largest chance that the difference is luck.",
        ),
        Number(
            _TRAINING,
            "HOLDOUT_FRACTION",
            0.2,
            0.01,
            0.9,
            False,
            "Newest share kept for the verdict.",
        ),
        Number(_TRAINING, "EMBARGO_HOURS", 24, 0, 8760, False, "Gap between training and holdout."),
    )
}
"""The numeric settings by the name of their field in `Settings` and of their Param."""


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
    holdout_fraction: float
    embargo_hours: float
    max_label_age_days: float | None
    models_dir: str
    data_docs_dir: Path
    snapshot_database: str | None

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
    """Reads and checks all settings of a run.

    Args:
        params: the run's Params; a value there takes the place of the Variable.

    Raises:
        SettingError: naming the setting, its value and what is allowed.
    """
    given = {name: value for name, value in (params or {}).items() if value is not None}
    numbers = {
        field: number.parse(given.get(field, Variable.get(number.name, default=None)))
        for field, number in THRESHOLDS.items()
    }
    others: dict[str, Any] = {
        "models_dir": _models_dir(),
        "data_docs_dir": read_data_docs_dir(),
        "snapshot_database": Variable.get("SNAPSHOT_DATABASE", default=None) or None,
    }
    values: dict[str, Any] = numbers | others
    return Settings(**{field.name: values[field.name] for field in fields(Settings)})


def read_models() -> "Store":
    """Opens the place of the models, whatever the other settings are.

    Raises:
        SettingError: if MODELS_DIR is the URL of nothing that can be opened.
    """
    return _opened(_models_dir())


def read_data_docs_dir() -> Path:
    """Reads the folder of the Data Docs, whatever the other settings are.

    Raises:
        SettingError: if it is a URL.
    """
    return _folder("DATA_DOCS_DIR", "data_docs")


def _opened(models_dir: str) -> "Store":
    from pipeline.model_store import REMEDY, open_models

    try:
        return open_models(models_dir)
    except ValueError as error:
        raise SettingError("MODELS_DIR", models_dir, f"{REMEDY} ({error})") from error


def _models_dir() -> str:
    return _address("MODELS_DIR", "models")


def _address(name: str, default: str) -> str:
    value = Variable.get(name, default=None) or default
    return value if "://" in value else str(REPOSITORY / value)


def _folder(name: str, default: str) -> Path:
    address = _address(name, default)
    if "://" in address:
        raise SettingError(name, address, "a folder of this machine")
    return Path(address)
