"""Groups of log lines that the Airflow UI folds."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def log_group(log: logging.Logger, title: str) -> Iterator[None]:
    """Folds what is logged inside the block under a title.

    Args:
        log: where to.
        title: what is seen of it.
    """
    log.info("::group::%s", title)
    try:
        yield
    finally:
        log.info("::endgroup::")
