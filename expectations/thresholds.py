"""The bounds of the data gate."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Thresholds:
    """What labelled data must offer before a model may be trained on it.

    Attributes:
        min_samples: fewest labelled samples.
        min_classes: fewest different regimes among them.
        min_samples_per_class: fewest samples of a regime that occurs.
        min_class_share: smallest share, 0 to 1, of a regime that occurs, of at most 5,000 labels:
            where there are many, one with its part of those is learned, however rare it is.
        max_class_share: largest share of a regime, 0 to 1.
        max_gap_share: longest gap between days with samples, as a share of the window.
        max_label_age_days: how old the newest sample may be; None means any age.
    """

    min_samples: int = 300
    min_classes: int = 3
    min_samples_per_class: int = 10
    min_class_share: float = 0.01
    max_class_share: float = 0.70
    max_gap_share: float = 0.5
    max_label_age_days: float | None = None
