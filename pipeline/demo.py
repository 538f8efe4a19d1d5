"""`make demo` as a story: six steps, what each found, the verdict, and what to do next.

Runs on a bare Python, before anything is installed; `pipeline.demo_run` does the work in the
installed one. What all of it says goes to a log; VERBOSE=1 shows that in place of the story.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_STEPS = 6
_WIDTH = 24
_LAST_LINES = 5
TOLD = 3
"""Exit code of a run that failed, of which has been told."""


class Story:
    """Tells one step after the other, each with its seconds."""

    def __init__(self, log: Path, *, verbose: bool) -> None:
        self.log = log
        self._verbose = verbose
        self._moves = sys.stdout.isatty() and not verbose
        self._step = 0
        self._began = time.monotonic()
        self._shown = threading.Lock()

    def done(self, name: str, found: str) -> None:
        """Ends a step with what it found."""
        self._step += 1
        seconds = time.monotonic() - self._began
        self.say(f"{self._step}/{_STEPS} {name:<16} {found}  ({seconds:.0f} s)")
        self._began = time.monotonic()

    def say(self, line: str = "") -> None:
        """Prints a line in place of the moving one."""
        with self._shown:
            if self._moves:
                sys.stdout.write("\r\x1b[K")
            print(line, flush=True)

    def run(self, command: list[str], after: str, events: bool = False) -> int:
        """Runs a command, and tells the steps that it reports; its output goes to the log.

        Args:
            command: what to run.
            after: what is going on, shown while it takes longer than a moment.
            events: whether it reports steps, as JSON lines on a pipe.
        """
        reading, writing = os.pipe()
        environment = {**os.environ, "DEMO_EVENTS": str(writing)} if events else None
        with self.log.open("ab") as log, self._moving(after):
            process = subprocess.Popen(
                command,
                stdout=None if self._verbose else log,
                stderr=subprocess.STDOUT,
                pass_fds=(writing,) if events else (),
                env=environment,
            )
            os.close(writing)
            with os.fdopen(reading, encoding="utf-8") as told:
                for line in told:
                    self._tell(json.loads(line))
            return process.wait()

    def _tell(self, event: dict[str, Any]) -> None:
        if "step" in event:
            self.done(event["step"], event["found"])
        for line in event.get("lines", ()):
            self.say(line)

    @contextmanager
    def _moving(self, what: str) -> Iterator[None]:
        """Moves a bar on a terminal until the block ends."""
        ended = threading.Event()

        def move() -> None:
            beats = 0
            while not ended.wait(0.2):
                beats += 1
                place = abs(beats % (2 * _WIDTH) - _WIDTH)
                bar = f"{' ' * place}━━━{' ' * (_WIDTH - place)}"
                seconds = time.monotonic() - self._began
                with self._shown:
                    sys.stdout.write(f"\r\x1b[K{bar} {what}, {seconds:.0f} s")
                    sys.stdout.flush()

        thread = threading.Thread(target=move, daemon=True)
        if self._moves:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            if self._moves:
                thread.join()
                sys.stdout.write("\r\x1b[K")


def main(make: str, python: str) -> int:
    """Tells the whole story; 0 only if the run succeeded.

    Args:
        make: the program that installs what is missing.
        python: the Python that this installs into.
    """
    folder = Path(os.environ["AIRFLOW_HOME"])
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "demo.log"
    log.write_bytes(b"")
    story = Story(log, verbose=bool(os.environ.get("VERBOSE")))
    story.say(f"A sample market, and one run of regime_model_training. The whole log: {log}")
    code = story.run([make, "--no-print-directory", "installed"], "installing, minutes at first")
    if code:
        return _failed(story, "installing")
    story.done(
        "install", f"Python packages in {Path(python).parent.parent.name}, Airflow's database"
    )
    code = story.run([python, "-m", "pipeline.demo_run"], "working", events=True)
    return code if code in {0, TOLD} else _failed(story, "the run")


def _failed(story: Story, what: str) -> int:
    lines = story.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    story.say(f"FAILED: {what} did not come to its end. Its last words:")
    for line in lines[-_LAST_LINES:]:
        story.say(f"  {line[:200]}")
    story.say(f"What to do: read {story.log}, remove the cause, then make demo again.")
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
