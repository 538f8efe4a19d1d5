"""The ids of the DAGs."""

from typing import Final

TRAINING: Final = "regime_model_training"
ROLLBACK: Final = "regime_model_rollback"
