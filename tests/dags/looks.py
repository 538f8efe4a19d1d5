"""Looks of the watch in processes of their own: several at one moment, or killed at some point."""

import os
import subprocess
import sys

# Of the weekly run a task is asked, and here is none.
_LOOK = """
import os, signal, sys
from pipeline.settings import read_settings
import pipeline.tasks.watch_model as module, pipeline.watching as watching
module._others = lambda *_: []
for name in sys.argv[1:]:
    place = watching if name == "thinned_to" else module
    setattr(place, name, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
print("ready", flush=True)
sys.stdin.readline()
module.watch_model(read_settings(), {})
"""

KILL_POINTS = [("thinned_to", 1), ("go_on", 1), ("tell", 0), ("confirmed", 1), ("_keep_page", 1)]
"""What is called when a look is killed, and the messages of that day with the look that follows."""


def look_at_once(number: int, *killed_at: str) -> list[tuple[int, str]]:
    """Looks in several processes at the same moment; the exit code and the errors of each.

    Args:
        number: of processes.
        *killed_at: the function at whose call each is killed.
    """
    looks = [
        subprocess.Popen(
            [sys.executable, "-c", _LOOK, *killed_at],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ,
        )
        for _ in range(number)
    ]
    for look in looks:
        assert look.stdout and look.stdout.readline() == "ready\n"
    for look in looks:
        assert look.stdin
        look.stdin.write("\n")
        look.stdin.flush()
    return [(look.wait(), look.communicate()[1]) for look in looks]
