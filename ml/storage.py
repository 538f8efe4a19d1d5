"""The few operations the registry needs of MODELS_DIR, for a local folder.

An object store can take the folder's place by offering the same six. Contents are complete before
anything is opened, and files appear by rename: a reader sees the old content or the new one, also
when the process is killed or the power fails.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

_TEMPORARY = ".tmp-"


@dataclass(frozen=True)
class Folder:
    """A local folder; names are relative to it, with `/` between parts.

    Raises:
        OSError: from every operation, saying what to do, if the folder cannot be used.
    """

    root: Path

    def where(self, name: str = "") -> str:
        """The address of a name, for people."""
        return str(self.root / name)

    def read(self, name: str) -> bytes | None:
        """Content of a file; None if there is none."""
        with _explained(self.root / name):
            try:
                return (self.root / name).read_bytes()
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> None:
        """Puts a file in place in one step."""
        path = self.root / name
        with _explained(path), _temporary_sibling(path) as temporary:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_through(temporary, content)
            temporary.replace(path)
            _flush_folder(path.parent)

    def write_folder(self, name: str, files: Mapping[str, bytes]) -> None:
        """Puts a folder of files in place, instead of one that has the name already."""
        path = self.root / name
        with _explained(path), _temporary_sibling(path) as temporary:
            temporary.mkdir(parents=True)
            for file_name, content in files.items():
                _write_through(temporary / file_name, content)
            _flush_folder(temporary)
            # A folder cannot be renamed onto a full one, so the former one steps aside first.
            with _temporary_sibling(path) as former:
                if path.exists():
                    path.rename(former)
                temporary.rename(path)
            _flush_folder(path.parent)

    def folders(self, name: str) -> tuple[str, ...]:
        """Names of the folders in a folder, oldest first by their last change."""
        path = self.root / name
        with _explained(path):
            if not path.is_dir():
                return ()
            found = [entry for entry in path.iterdir() if _is_ours(entry)]
            found.sort(key=lambda entry: (entry.stat().st_mtime_ns, entry.name))
        return tuple(entry.name for entry in found)

    def remove_folder(self, name: str) -> None:
        """Removes a folder and what is in it."""
        path = self.root / name
        with _explained(path):
            shutil.rmtree(path)


def _is_ours(entry: Path) -> bool:
    return entry.is_dir() and not entry.name.startswith(_TEMPORARY)


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
    temporary = path.parent / f"{_TEMPORARY}{path.name}-{uuid4().hex[:8]}"
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
