"""How the benchmarks measure: times by turns in one run, memory in a process of its own, aims.

What is compared is the business of each benchmark.
"""

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from tabulate import tabulate

Ways = Mapping[str, Callable[[], object]]


def by_turns(ways: Ways, repetitions: int, *, warm: bool = True) -> dict[str, float]:
    """Runs each way once in every round; returns each one's median seconds.

    Args:
        ways: what to run, by name.
        repetitions: rounds that count.
        warm: whether a round that does not count comes first.
    """
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for count in range(-1 if warm else 0, repetitions):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if count >= 0:
                taken[name].append(time.perf_counter() - start)
    return {name: median(values) for name, values in taken.items()}


def processor_by_turns(
    commands: Mapping[str, Sequence[str]], repetitions: int, **environment: str
) -> dict[str, float]:
    """Like `by_turns` for commands, in seconds of the processor, their children's included.

    A process waits for its turn on a busy machine, and that is not what it costs.
    """
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for count in range(-1, repetitions):
        for name, command in commands.items():
            before = os.times()
            run_quietly(command, **environment)
            after = os.times()
            if count >= 0:
                spent = after.children_user + after.children_system
                taken[name].append(spent - before.children_user - before.children_system)
    return {name: median(values) for name, values in taken.items()}


def run_quietly(command: Sequence[str], **environment: str) -> str:
    """Runs a command; returns what it printed.

    Raises:
        SystemExit: with the end of its output, if it fails.
    """
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def in_child(module: str, **task: Any) -> Any:
    """Runs `python -m module --task JSON` and returns the JSON of its last line."""
    return in_child_of(sys.executable, module, task)


def in_child_of(python: str, module: str, task: Mapping[str, Any]) -> Any:
    """The same in another interpreter."""
    command = [python, "-m", module, "--task", json.dumps(task)]
    return json.loads(run_quietly(command).splitlines()[-1])


def growth_in_mb(work: Callable[[], object]) -> float:
    """By how much the peak of this process's memory exceeds what it holds before, in MB (Linux)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts anew
    before = _memory("VmRSS")
    kept = work()
    peak = _memory("VmHWM")
    del kept
    return (peak - before) / 1024


def _memory(kind: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind))


def aim(  # noqa: PLR0913
    what: str,
    found: float,
    *,
    most: float | None = None,
    least: float | None = None,
    limit: float | None = None,
    peer: tuple[str, float] | None = None,
) -> str:
    """A line that says whether an aim is met; `benchmarks.results` gathers them in a table.

    Args:
        what: was measured.
        found: the figure.
        most: that it may be; or
        least: that it is to be.
        limit: how many times as much it takes as what cannot be saved.
        peer: the best other way to do the same, and how many times as much as ours that takes.
    """
    met = found <= most if most is not None else found >= (least or 0)
    asked = [f"aim ≤ {most:g}" if most is not None else f"aim ≥ {least:g}"]
    asked += [f"× limit {limit:.3g}"] if limit is not None else []
    asked += [f"× {peer[0]} {peer[1]:.3g}"] if peer else []
    return f"- {'met' if met else '**missed**'}: {what}: {found:.3g} ({'; '.join(asked)})"


def table_of(headers: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    """Formats lines as a table."""
    return tabulate(lines, headers, tablefmt="github", disable_numparse=True)


def made_by(command: str, *packages: str) -> str:
    """Says what was run, when, on what."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in packages]
    versions.insert(0, f"Python {platform.python_version()}")
    return (
        f"`{command}`, {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {', '.join(versions)}."
    )
