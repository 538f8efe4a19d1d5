"""The Airflow asset `regime_model`: whoever schedules on it hears of every change of production."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import Asset

if TYPE_CHECKING:
    from ml.storage import Store

MODEL: Final = Asset("regime_model", group="models")


def event_details(models: "Store", deployment: Mapping[str, Any]) -> dict[str, Any]:
    """What an event of the asset says: the deployment, and the model's accuracy and versions.

    Args:
        models: the place of the models, after the deployment.
        deployment: what was done.
    """
    from ml.decoration import decoration
    from ml.registry import read_production

    metrics: Mapping[str, Any] = {}
    with decoration("What is known of the model in the event of the asset"):
        production = read_production(models)
        metrics = (production.metrics if production else None) or {}
    told = {"accuracy": metrics.get("test_accuracy"), "versions": metrics.get("versions")}
    return {**deployment, **told}
