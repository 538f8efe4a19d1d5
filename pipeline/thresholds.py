"""The numeric settings: their names, defaults and bounds, and their fields in the trigger form."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from airflow.sdk import Param


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
            number = float(str(value))
        except ValueError:
            raise SettingError(self.name, value, self.allowed) from None
        # A form or a JSON file may write 300 as 300.0.
        if not self.low <= number <= self.high or (self.whole and number != int(number)):
            raise SettingError(self.name, value, self.allowed)
        return int(number) if self.whole else number

    @property
    def allowed(self) -> str:
        """The range in words."""
        kind = "a whole number" if self.whole else "a number"
        return (
            f"{kind} from {_plain(self.low)} to {_plain(self.high)} (default {self.default_text})"
        )

    @property
    def default_text(self) -> str:
        """The default as people read it."""
        return "none" if self.default is None else _plain(self.default)

    def param(self) -> Param:
        """The field of the trigger form that overrides this setting for one run."""
        kind = "A whole number" if self.whole else "A number"
        return Param(
            None,
            # As text: Airflow's field of a number makes 1 of 75, and nothing of 0,02, in silence. A
            # list of types would be a field of many lines.
            anyOf=[{"type": kind} for kind in ("string", "number", "null")],
            title=self.name,
            description=f"{self.help} {kind} from {_plain(self.low)} to {_plain(self.high)}; "
            f"empty: the Variable, or else {self.default_text}.",
            section=str(self.section),
        )


def _plain(number: float) -> str:
    return f"{number:,.15g}"


_GATE, _TRAINING, _PROMOTION = Section
_AGE: Final = "Oldest that the newest label may be, in days."
_LUCK: Final = "Largest chance that the difference is luck."
_SLICE: Final = "Most accuracy that a regime or symbol may lose to production."
_DAYS: Final = "Days of labels the holdout must have, or a person decides."
_RUNS: Final = "Runs of one regime it must have, or a person decides."
_GAP: Final = "Hours between training and holdout."
_MOST: Final = "Rows to train on if there are more: a share of each regime."

THRESHOLDS: Final = {
    number.name.lower(): number
    for number in (
        Number(_GATE, "MIN_LABELED_SAMPLES", 300, 1, 1e12, True, "Fewest labelled samples."),
        Number(_GATE, "MIN_CLASSES", 3, 2, 7, True, "Fewest different regimes."),
        Number(_GATE, "MIN_SAMPLES_PER_CLASS", 10, 1, 1e12, True, "Fewest samples of a regime."),
        Number(_GATE, "MIN_CLASS_SHARE", 0.01, 0, 1, False, "Smallest share of a regime."),
        Number(_GATE, "MAX_CLASS_SHARE", 0.70, 0, 1, False, "Largest share of a regime."),
        Number(_GATE, "MAX_LABEL_AGE_DAYS", None, 0, 3650, False, _AGE),
        Number(_PROMOTION, "MIN_ACCURACY", 0.65, 0, 1, False, "Lowest accuracy to deploy."),
        Number(_PROMOTION, "MIN_IMPROVEMENT", 0.0, 0, 1, False, "Beat production by more."),
        Number(_PROMOTION, "MAX_P_VALUE", None, 0, 1, False, _LUCK),
        Number(_PROMOTION, "MAX_SLICE_LOSS", None, 0, 1, False, _SLICE),
        Number(_PROMOTION, "MIN_HOLDOUT_DAYS", 5, 1, 3650, True, _DAYS),
        Number(_PROMOTION, "MIN_HOLDOUT_RUNS", 20, 1, 1e12, True, _RUNS),
        Number(_TRAINING, "HOLDOUT_FRACTION", 0.2, 0.01, 0.9, False, "Newest share, to judge on."),
        Number(_TRAINING, "EMBARGO_HOURS", 24, 0, 8760, False, _GAP),
        Number(_TRAINING, "MAX_TRAIN_ROWS", 1_000_000, 1000, 1e9, True, _MOST),
        Number(_TRAINING, "LABELS_WANTED", 50, 0, 500, True, "Rows to label next; 0: no list."),
    )
}
"""By the name of their field in `Settings` and of their Param."""
