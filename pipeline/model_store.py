"""Opens MODELS_DIR: a local folder, or an object store with an Airflow Connection's credentials."""

from typing import TYPE_CHECKING, Final

from airflow.sdk import ObjectStoragePath
from airflow.sdk.io.fs import has_fs

if TYPE_CHECKING:
    from ml.storage import Store

REMEDY: Final = "a folder, or the URL of an object store such as s3://connection@bucket/models"


def open_models(models_dir: str) -> "Store":
    """Opens the store that MODELS_DIR names.

    Args:
        models_dir: an absolute folder, or a URL. Before the `@` of a URL may stand the id of an
            Airflow Connection; without one, credentials come from the environment.

    Raises:
        ValueError: if nothing is known that opens the URL.
    """
    from ml.object_store import ObjectStore
    from ml.registry import open_store

    scheme, separator, _ = models_dir.partition("://")
    if not separator or not has_fs(scheme):
        return open_store(models_dir)
    path = ObjectStoragePath(models_dir)
    return ObjectStore(path.fs, path.path.rstrip("/"), f"{scheme}://{path.path}".rstrip("/"))
