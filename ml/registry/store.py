"""The few operations the registry needs of MODELS_DIR, and how a local folder does them.

Contents are complete before anything is opened, and files appear by rename: a reader sees the old
content or the new one, also when the process is killed or the power fails.
`ml.registry.object_store` does the same on S3 and its like.
"""

import errno
import fcntl
import hashlib
import os
import shutil
import stat
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from ml.registry.names import LOCK, is_temporary, temporary_name

LOCK_SECONDS: Final = 60.0
"""How long a process waits for another that is changing the models; a change takes seconds."""

_KNOWN_DIGESTS: Final = 1_000
_NO_FLUSH: Final = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS})
"""What file systems say, such as SMB, that cannot flush a folder: they write names through."""
_NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL})
_REMEDIES: Final = {
    errno.ELOOP: "put the file or folder itself there: links are not followed, so that nothing "
    "outside of MODELS_DIR is read or shown",
    errno.EISDIR: "move that folder away: a file of the pipeline has this name",
    errno.ENOTDIR: "see that MODELS_DIR is a folder, and that no file has a folder's name there",
}
_REMEDY: Final = "see that MODELS_DIR is a folder this process may write to, with space left"
_LOCKS_REMEDY: Final = (
    "mount it with locks (NFS: without nolock; SMB: without nobrl), or use another file system or "
    "an object store: without a lock, two runs could change the models at once"
)

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

    def digest(self, name: str) -> str | None:
        """SHA-256 of a file as hex, computed once while it does not change; None if none is."""

    def write(self, name: str, content: bytes, check: Check | None = None) -> None:
        """Puts a file in place in one step, after the check of its written copy."""

    def write_folder(self, name: str, files: Mapping[str, bytes]) -> None:
        """Puts a folder of files in place, instead of one that has the name already."""

    def folders(self, name: str) -> tuple[str, ...]:
        """Names of the folders in a folder, oldest first by their last change."""

    def files(self, name: str) -> frozenset[str]:
        """Names of everything in a folder."""

    def remove_folder(self, name: str) -> None:
        """Removes a folder and what is in it."""

    def locked(self) -> AbstractContextManager[None]:
        """Keeps other writers out while the block runs; removes what a killed one has left."""


@dataclass(frozen=True)
class Folder:
    """A local folder as a store."""

    root: Path

    def where(self, name: str = "") -> str:
        return str(self.root / name)

    def read(self, name: str) -> bytes | None:
        with _explained(self.root / name):
            try:
                with os.fdopen(self._open(name), "rb") as file:
                    return file.read()
            except FileNotFoundError:
                return None

    def digest(self, name: str) -> str | None:
        with _explained(self.root / name):
            try:
                now = (self.root / name).stat(follow_symlinks=False)
            except FileNotFoundError:
                return None
        state = now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns
        return DIGESTS.of(state, lambda: self.read(name))

    def write(self, name: str, content: bytes, check: Check | None = None) -> None:
        path = self.root / name
        with _explained(path), _temporary_sibling(path) as temporary:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_through(temporary, content)
            if check:
                check(temporary.read_bytes())
            temporary.replace(path)
            _flush_folder(path.parent)

    def write_folder(self, name: str, files: Mapping[str, bytes]) -> None:
        path = self.root / name
        with _explained(path), _temporary_sibling(path) as temporary:
            temporary.mkdir(parents=True)
            for file_name, content in files.items():
                _write_through(temporary / file_name, content)
            _flush_folder(temporary)
            # A folder cannot be renamed onto a full one.
            if path.exists():
                self.remove_folder(name)
            temporary.rename(path)
            _flush_folder(path.parent)

    def folders(self, name: str) -> tuple[str, ...]:
        path = self.root / name
        with _explained(path):
            if not path.is_dir():
                return ()
            entries = os.scandir(path)
            found = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
            found.sort(key=lambda entry: (entry.stat().st_mtime_ns, entry.name))
        return tuple(entry.name for entry in found)

    def files(self, name: str) -> frozenset[str]:
        with _explained(self.root / name):
            return frozenset(entry.name for entry in (self.root / name).iterdir())

    def remove_folder(self, name: str) -> None:
        path = self.root / name
        # Gone from its place before its files are.
        with _explained(path), _temporary_sibling(path) as former:
            path.rename(former)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """See `Store`; the lock is the operating system's, and ends with its process."""
        path = self.root / LOCK
        with _explained(path):
            self.root.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            wait_for_lock(lambda: _take(descriptor, path), lambda: _told(descriptor), str(path))
            try:
                with _explained(path):
                    os.pwrite(descriptor, holder().encode(), 0)
                    self._sweep()
                yield
            finally:
                os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def _open(self, name: str) -> int:
        """Opens a file for reading, which must be one: no link on the way to it is followed."""
        folder = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        for part in Path(name).parts:
            try:
                # A pipe of that name would be waited for.
                below = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
            finally:
                os.close(folder)
            folder = below
        mode = os.fstat(folder).st_mode
        if not stat.S_ISREG(mode):
            os.close(folder)
            told = "Is a directory" if stat.S_ISDIR(mode) else "Is no file"
            raise OSError(errno.EISDIR, told)
        return folder

    def _sweep(self) -> None:
        """Removes what a killed writer has left."""
        parents = [self.root / "backups", self.root / "candidates"]
        folders = [self.root, *parents, *_entries(parents[1])]
        for left in [entry for folder in folders for entry in _entries(folder)]:
            if is_temporary(left.name):
                _remove(left)


class Digests:
    """SHA-256 of contents by what tells one state of a file from another, each computed once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[Hashable, str] = {}

    def of(self, state: Hashable, read: Callable[[], bytes | None]) -> str | None:
        """The digest of a state of a file; those who ask meanwhile wait for it.

        Args:
            state: of the file; another one as soon as its content is another.
            read: gives the content, None if it is gone.
        """
        with self._lock:
            if state not in self._known:
                content = read()
                if content is None:
                    return None
                if len(self._known) >= _KNOWN_DIGESTS:
                    self._known.clear()
                self._known[state] = hashlib.sha256(content).hexdigest()
            return self._known[state]


DIGESTS: Final = Digests()


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


def _take(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        told = f"this file system has no locks ({error.strerror}); what to do: {_LOCKS_REMEDY}"
        raise OSError(error.errno, told, str(path)) from error
    return True


def _told(descriptor: int) -> str:
    return os.pread(descriptor, 200, 0).decode(errors="replace")


def _entries(folder: Path) -> list[Path]:
    """What is in a folder of ours; nothing in what is a link, or is not there."""
    return list(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


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
    except OSError as error:
        if error.errno not in _NO_FLUSH:
            raise
    finally:
        os.close(descriptor)


@contextmanager
def _temporary_sibling(path: Path) -> Iterator[Path]:
    """A name in the same folder, so that renaming is one step; what is left of it is removed."""
    temporary = path.with_name(temporary_name(path.name))
    try:
        yield temporary
    finally:
        if temporary.exists():
            _remove(temporary)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # Without an errno an OSError has no kind to keep, and its text says it all.
        if error.errno is None or "what to do: " in str(error.strerror):
            raise
        remedy = _REMEDIES.get(error.errno, _REMEDY)
        raise OSError(error.errno, f"{error.strerror}; what to do: {remedy}", str(path)) from error
