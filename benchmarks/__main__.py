"""All benchmarks in turn: `make bench`, or with `FULL=1` at the sizes of the aims.

python -m benchmarks [--full]
"""

import argparse
import subprocess
import sys
from typing import Final

QUICK: Final = (
    "starting",
    "model_file --rows 2500 20000",
    "reading --rows 1000000",
    "training --sizes 20000:50:5",
    "gate --rows 10000 1000000",
    "gate_peers --sizes 100000:5",
    "growth --most 100000",
    "replay_peers --weeks 8",
    "watch_peers quiet --markets 2 --days 3",
    "watch_peers large --sizes 100000 --rounds 1",
)
FULL: Final = (
    "starting",
    "model_file",
    "reading",
    "training --sizes 100000:200:5 1000000:20:5",
    "training --sizes 1000000:200:5 --alone",
    "gate",
    "gate_peers --sizes 1000000:5 10000000:5",
    "growth",
    "replay_peers",
    "watch_peers quiet",
    "watch_peers faults",
    "watch_peers large",
)


def main() -> int:
    """Runs each in a process of its own; returns 1 if one fails, after all the others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true")
    failed = []
    for one in FULL if parser.parse_args().full else QUICK:
        print(f"python -m benchmarks.{one}", flush=True)
        name, *arguments = one.split()
        command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
        if subprocess.run(command, check=False).returncode:
            failed.append(one)
    if failed:
        print(f"Failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
