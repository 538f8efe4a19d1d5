"""An object store as a place for models: S3 and whatever else fsspec knows.

An object appears whole when its upload ends, so the production file is put in place by one copy
inside the store: first under a temporary name, from where it is read back and checked. Objects have
no folders, so a folder of files appears file by file, its metrics last; until then its digest does
not agree, and it is not taken for whole.
"""

import errno
import importlib.util
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import fsspec
from fsspec import AbstractFileSystem

from ml.json_files import read_object
from ml.registry.names import LOCK, is_temporary, temporary_name
from ml.registry.store import DIGESTS, Check, holder, wait_for_lock
from ml.words import moment

SCHEMES: Final = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "memory")
"""Those where an object appears whole or not at all; FTP and its like show half a file."""
_BUCKETS: Final = frozenset({"s3", "s3a", "gs", "gcs"})
_LEASE: Final = timedelta(minutes=15)
"""A lock is nobody's after this: its process was killed, for a change takes seconds."""
_ETAGS: Final = ("ETag", "etag")
_CHANGED: Final = ("LastModified", "last_modified", "updated", "mtime", "created")
"""What file systems call the time of an object's last change."""
_EXCLUSIVE: Final = (
    "use a store with conditional writes (docs/models.md), or a folder: "
    "without them two runs could change the models at once"
)
_CONFLICT: Final = "ConditionalRequestConflict"
"""S3's word for an object that another creates at the same moment."""
_proven: Final[set[str]] = set()
"""Stores that keep others out, as this process has seen."""


@dataclass(frozen=True)
class ObjectStore:
    """A prefix in an object store.

    Attributes:
        fs: the file system, with its credentials.
        root: the prefix, as the file system names it, such as `bucket/models`.
        url: the address for people; no secret is in it.
    """

    fs: AbstractFileSystem
    root: str
    url: str

    @classmethod
    def from_url(cls, url: str) -> "ObjectStore":
        """Opens a URL with what fsspec finds in the environment and in its configuration.

        Raises:
            ValueError: if no file system is known for it.
        """
        if url.partition("://")[0] not in SCHEMES:
            raise ValueError(f"{url} is none of {', '.join(SCHEMES)}")
        try:
            fs, root = fsspec.url_to_fs(url)
        except ImportError as missing:
            raise ValueError(f"{url} cannot be opened: {missing}") from missing
        return cls(fs, root.rstrip("/"), url.rstrip("/"))

    def where(self, name: str = "") -> str:
        return f"{self.url}/{name}" if name else self.url

    def read(self, name: str) -> bytes | None:
        with self._explained(name):
            try:
                return bytes(self.fs.cat_file(self._path(name)))
            except FileNotFoundError:
                self._require_bucket()
                return None

    def digest(self, name: str) -> str | None:
        with self._explained(name):
            try:
                facts = self.fs.info(self._path(name), refresh=True)
            except FileNotFoundError:
                self._require_bucket()
                return None
        state = [str(facts[key]) for key in (*_ETAGS, *_CHANGED) if facts.get(key)]
        if not state:
            raise OSError(errno.EIO, "the store does not say when an object was changed")
        return DIGESTS.of((self.url, name, facts.get("size"), *state), lambda: self.read(name))

    def write(self, name: str, content: bytes, check: Check | None = None) -> None:
        with self._explained(name):
            if check is None:
                self.fs.pipe_file(self._path(name), content)
                return
            staged = self._path(temporary_name("model"))
            try:
                self.fs.pipe_file(staged, content)
                check(bytes(self.fs.cat_file(staged)))
                self.fs.cp_file(staged, self._path(name))
            finally:
                self._discard(staged)

    def write_folder(self, name: str, files: Mapping[str, bytes]) -> None:
        for file in sorted(files, key=lambda file: file.endswith(".json")):
            self.write(f"{name}/{file}", files[file])
        with self._explained(name):
            self.fs.invalidate_cache()
            for path in self.fs.find(self._path(name)):
                if path.rpartition("/")[2] not in files:
                    self._discard(path)

    def folders(self, name: str) -> tuple[str, ...]:
        with self._explained(name):
            self.fs.invalidate_cache()
            found = self.fs.find(self._path(name), detail=True)
        newest: dict[str, Any] = {}
        for path, facts in found.items():
            folder, separator, _ = path.removeprefix(f"{self._path(name)}/").partition("/")
            if not separator:
                # What a console leaves for an empty "folder", or a file beside the folders.
                continue
            changed = next(facts[key] for key in _CHANGED if key in facts)
            newest[folder] = max(changed, newest.get(folder, changed))
        return tuple(sorted(newest, key=lambda folder: (newest[folder], folder)))

    def files(self, name: str) -> frozenset[str]:
        with self._explained(name):
            self.fs.invalidate_cache()
            found = self.fs.find(self._path(name))
        return frozenset(path.removeprefix(f"{self._path(name)}/") for path in found)

    def remove_folder(self, name: str) -> None:
        with self._explained(name):
            self.fs.rm(self._path(name), recursive=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """See `Store`; the lock is an object that only one can create, and that ends in time."""
        mine = uuid4().hex
        with self._explained(LOCK):
            wait_for_lock(lambda: self._take(mine), self._holder, self.where(LOCK))
            self._sweep()
        try:
            yield
        finally:
            with self._explained(LOCK):
                if (self._lock() or {}).get("owner") == mine:
                    self._discard(self._path(LOCK))

    def _take(self, mine: str) -> bool:
        until = datetime.now(UTC) + _LEASE
        lease = {"owner": mine, "holder": holder(), "until": until.isoformat()}
        if self._create(json.dumps(lease).encode()):
            self._require_exclusive(mine)
            return True
        known = self._lock()
        ends = moment((known or {}).get("until"))
        if known is not None and (ends is None or ends < datetime.now(UTC)):
            self._discard(self._path(LOCK))
        return False

    def _require_exclusive(self, mine: str) -> None:
        """Tries to create the lock once more, which a store must refuse that keeps others out.

        Raises:
            OSError: if it does not.
        """
        if self.url in _proven:
            return
        if self._create(json.dumps({"owner": mine, "until": ""}).encode()):
            self._discard(self._path(LOCK))
            told = f"this store ignores If-None-Match, so it has no locks; what to do: {_EXCLUSIVE}"
            raise OSError(errno.ENOTSUP, told, self.where(LOCK))
        _proven.add(self.url)

    def _create(self, content: bytes) -> bool:
        try:
            self.fs.pipe_file(self._path(LOCK), content, mode="create")
        except FileExistsError:
            return False
        except OSError as error:
            if _CONFLICT in str(error):
                return False
            if error.errno != errno.ENOSYS:
                raise
            told = f"this store has no locks ({error.strerror}); what to do: {_EXCLUSIVE}"
            raise OSError(errno.ENOSYS, told, self.where(LOCK)) from error
        return True

    def _lock(self) -> dict[str, Any] | None:
        """What the lock says, nothing if that cannot be read; None if there is none."""
        try:
            return read_object(self.fs.cat_file(self._path(LOCK))) or {}
        except FileNotFoundError:
            return None

    def _holder(self) -> str:
        return str((self._lock() or {}).get("holder") or "")

    def _sweep(self) -> None:
        self.fs.invalidate_cache()
        with suppress(FileNotFoundError):
            for path in self.fs.ls(self.root, detail=False):
                if is_temporary(path.rpartition("/")[2]):
                    self._discard(path)

    def _discard(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self.fs.rm_file(path)

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def _require_bucket(self) -> None:
        """An object is missing also where its bucket is, which is no empty store."""
        bucket = self.root.partition("/")[0]
        if set(_protocols(self.fs)) & _BUCKETS and not self.fs.exists(bucket):
            raise FileNotFoundError(errno.ENOENT, f"there is no bucket {bucket}", self.url)

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        try:
            yield
        except TimeoutError:
            raise
        except OSError as error:
            if "what to do: " in str(error.strerror):
                raise
            told = error.strerror or str(error) or type(error).__name__
            raise self._problem(error.errno or errno.EIO, told, name) from error
        except _client_errors() as error:
            raise self._problem(errno.EIO, str(error), name) from error

    def _problem(self, number: int, told: str, name: str) -> OSError:
        remedy = "see that MODELS_DIR names a bucket that exists, and that its connection may write"
        return OSError(number, f"{told}; what to do: {remedy}", self.where(name))


def _protocols(fs: AbstractFileSystem) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def _client_errors() -> tuple[type[Exception], ...]:
    """What S3's client raises that is no OSError: no route, no credentials."""
    if importlib.util.find_spec("botocore") is None:
        return ()
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - only where it is used

    return (BotoCoreError,)
