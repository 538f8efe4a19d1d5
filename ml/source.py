"""Names the commit of the code that runs, so that a model can be traced to it."""

import subprocess
from pathlib import Path
from typing import Final

_REPOSITORY: Final = Path(__file__).resolve().parent.parent
_COMMIT_FILE: Final = ".commit"
"""Written when an image is built, because an image has no history."""


def source_commit(repository: Path = _REPOSITORY) -> str | None:
    """The commit of a checkout, with `-dirty` behind it if tracked files were changed.

    Args:
        repository: the checkout, or a copy of one that has the commit in a file `.commit`.

    Returns:
        40 hex digits and perhaps `-dirty`; None if it is not known, such as outside a checkout.
    """
    written = repository / _COMMIT_FILE
    try:
        if written.is_file():
            return written.read_text(encoding="ascii").strip() or None
        if not (repository / ".git").exists():
            return None
        told = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],  # noqa: S607
            cwd=repository,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        # Without git, or where git does not trust the folder's owner, nobody can tell.
        return None
    return told.stdout.strip() or None
