"""What only adorns a run, such as a picture, a page, a link or a gauge, and never fails it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


@contextmanager
def decoration(what: str) -> Iterator[None]:
    """Leaves a block at its first error, tells of it in the log, and goes on.

    Args:
        what: is missing then, such as `The confusion matrix`.

    >>> with decoration("The picture"):
    ...     raise ValueError("no paint")
    """
    try:
        yield
    except Exception:
        log.warning("%s is left out", what, exc_info=True)
