"""Opens MODELS_DIR: a local folder, or an object store with an Airflow Connection's credentials."""

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from airflow.sdk import Connection, ObjectStoragePath
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.io.fs import has_fs

if TYPE_CHECKING:
    from ml.registry.store import Store

REMEDY: Final = "a folder, or the URL of an object store such as s3://connection@bucket/models"


def open_models(models_dir: str) -> "Store":
    """Opens the store that MODELS_DIR names.

    Args:
        models_dir: an absolute folder, or a URL. Before the `@` of a URL may stand the id of an
            Airflow Connection; without one, credentials come from the environment.

    Raises:
        ValueError: if nothing is known that opens the URL, or its Connection is not defined.
    """
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
