"""The few operations the registry needs of MODELS_DIR, and how a local folder does them.

Contents are complete before anything is opened, and files appear by rename: a reader sees the old
content or the new one, also when the process is killed or the power fails. `ml.object_store` does
the same on S3 and its like.
"""

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol
from uuid import uuid4

TEMPORARY: Final = ".tmp-"
_ASIDE: Final = ".old-"
LOCK: Final = ".lock"
LOCK_SECONDS: Final = 60.0
"""How long a process waits for another that is changing the models; a change takes seconds."""

Check = Callable[[bytes], None]
"""Looks at content that was read back from where it was written; raises if it is not sound."""


class Store(Protocol):
    """A place for models; names are relative to it, with `/` between parts.

    Raises:
        OSError: from every operation, saying what to do, if the place cannot be used.
    """

    def where(self, name: str = "") -> str:
        """The address of a name, for people."""

    def read(self, name: str) -> bytes | None:
        """Content of a file; None if there is none."""

    def write(self, name: str, content: bytes, check: Check | None = None) -> None:
        """Puts a file in place in one step, after the check of its written copy."""

    def write_folder(self, name: str, files: Mapping[str, bytes]) -> None:
        """Puts a folder of files in place, instead of one that has the name already."""

    def folders(self, name: str) -> tuple[str, ...]:
        """Names of the folders in a folder, oldest first by their last change."""

    def remove_folder(self, name: str) -> None:
        """Removes a folder and what is in it."""

    def require_space(self, size: int) -> None:
        """Refuses if there is less room than `size` bytes."""

    def locked(self) -> AbstractContextManager[None]:
        """Keeps other writers out while the block runs; removes what a killed one has left."""


@dataclass(frozen=True)
class Folder:
    """A local folder as a store."""

    root: Path

    def where(self, name: str = "") -> str:
        """See `Store`."""
        return str(self.root / name)

    def read(self, name: str) -> bytes | None:
        """See `Store`."""
        with _explained(self.root / name):
            try:
                return (self.root / name).read_bytes()
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes, check: Check | None = None) -> None:
        """See `Store`."""
        path = self.root / name
        with _explained(path), _temporary_sibling(path) as temporary:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_through(temporary, content)
            if check:
                check(temporary.read_bytes())
            temporary.replace(path)
            _flush_folder(path.parent)

    def write_folder(self, name: str, files: Mapping[str, bytes]) -> None:
        """See `Store`."""
        path = self.root / name
        with _explained(path), _temporary_sibling(path) as temporary:
            temporary.mkdir(parents=True)
            for file_name, content in files.items():
                _write_through(temporary / file_name, content)
            _flush_folder(temporary)
            # A folder cannot be renamed onto a full one, so the former one steps aside first.
            aside = path.with_name(f"{_ASIDE}{path.name}")
            if path.exists():
                path.rename(aside)
            temporary.rename(path)
            _flush_folder(path.parent)
            if aside.exists():
                shutil.rmtree(aside)

    def folders(self, name: str) -> tuple[str, ...]:
        """See `Store`."""
        path = self.root / name
        with _explained(path):
            if not path.is_dir():
                return ()
            found = [entry for entry in path.iterdir() if _is_ours(entry)]
            found.sort(key=lambda entry: (entry.stat().st_mtime_ns, entry.name))
        return tuple(entry.name for entry in found)

    def remove_folder(self, name: str) -> None:
        """See `Store`."""
        path = self.root / name
        with _explained(path):
            shutil.rmtree(path)

    def require_space(self, size: int) -> None:
        """See `Store`."""
        with _explained(self.root):
            free = shutil.disk_usage(self.root).free
            if free < size:
                told = f"{free:,} bytes are free and {size:,} are needed"
                raise OSError(errno.ENOSPC, told, str(self.root))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """See `Store`; the lock is the operating system's, and ends with its process."""
        path = self.root / LOCK
        with _explained(path):
            self.root.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            wait_for_lock(
                lambda: _take(descriptor), lambda: os.pread(descriptor, 200, 0).decode(), str(path)
            )
            try:
                with _explained(path):
                    os.pwrite(descriptor, holder().encode(), 0)
                    self._sweep()
                yield
            finally:
                os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def _sweep(self) -> None:
        """Removes what a killed writer has left; a folder that stepped aside comes back."""
        for parent in (self.root / "backups", self.root / "candidates"):
            for aside in parent.glob(f"{_ASIDE}*"):
                place = parent / aside.name.removeprefix(_ASIDE)
                shutil.rmtree(aside) if place.exists() else aside.rename(place)
        for pattern in ("", "backups/", "candidates/", "candidates/*/"):
            for left in self.root.glob(f"{pattern}{TEMPORARY}*"):
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def holder() -> str:
    """Who is changing the models, since when, for those who wait."""
    return f"process {os.getpid()} on {os.uname().nodename} since {datetime.now(UTC):%H:%M:%S} UTC"


def wait_for_lock(take: Callable[[], bool], told: Callable[[], str], where: str) -> None:
    """Tries to take a lock until it is free.

    Args:
        take: tries once, and says whether it worked.
        told: who has it.
        where: its address.

    Raises:
        TimeoutError: if another process keeps it for a minute.
    """
    until = time.monotonic() + LOCK_SECONDS
    while not take():
        if time.monotonic() > until:
            problem = f"{told() or 'another process'} is changing the models"
            remedy = "wait until it has ended, then retry"
            raise TimeoutError(errno.ETIMEDOUT, f"{problem}; what to do: {remedy}", where)
        time.sleep(0.2)


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_ours(entry: Path) -> bool:
    return entry.is_dir() and not entry.name.startswith((TEMPORARY, _ASIDE))


def _write_through(path: Path, content: bytes) -> None:
    # Not tempfile: its files are private to this user, and the application is often another one.
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _temporary_sibling(path: Path) -> Iterator[Path]:
    """A name in the same folder, so that renaming is one step; what is left of it is removed."""
    temporary = path.parent / f"{TEMPORARY}{path.name}-{uuid4().hex[:8]}"
    try:
        yield temporary
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        elif temporary.exists():
            temporary.unlink()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # Without an errno an OSError has no kind to keep, and its text says it all.
        if error.errno is None:
            raise
        remedy = "see that MODELS_DIR is a folder this process may write to, with space left"
        raise OSError(error.errno, f"{error.strerror}; what to do: {remedy}", str(path)) from error
