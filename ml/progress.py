"""Shows what the ml room is doing: a moving bar on a terminal, plain lines anywhere else."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_LONGEST = 100


@contextmanager
def shown_progress(stream: TextIO) -> Iterator[None]:
    """Writes the room's log to a stream, usually stderr, while the block runs."""
    if not stream.isatty():
        handler: logging.Handler = logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        with _listening(handler):
            yield
        return
    # A fifth of a second that only a terminal needs.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = BarColumn(24), TimeElapsedColumn(), TextColumn("{task.description}", markup=False)
    console = Console(file=stream)
    with Progress(*columns, console=console, transient=True) as bar:
        # Nobody knows beforehand how long a forest grows, so the bar moves without a share.
        task = bar.add_task("starting", total=None)
        with _listening(_ToBar(bar, task)):
            yield


class _ToBar(logging.Handler):
    def __init__(self, bar: "Progress", task: "TaskID") -> None:
        super().__init__()
        self._bar, self._task = bar, task

    def emit(self, record: logging.LogRecord) -> None:
        self._bar.update(self._task, description=record.getMessage()[:_LONGEST])


@contextmanager
def _listening(handler: logging.Handler) -> Iterator[None]:
    room = logging.getLogger("ml")
    level, propagate = room.level, room.propagate
    room.addHandler(handler)
    room.setLevel(logging.INFO)
    # Airflow, imported for a Connection, would write each line once more.
    room.propagate = False
    try:
        yield
    finally:
        room.removeHandler(handler)
        room.setLevel(level)
        room.propagate = propagate
