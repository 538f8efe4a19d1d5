"""Runs a ClickHouse server in this process, from the shared library of the npm package.

It ends with its parent, however that ends: the parent holds the other end of standard input.
"""

import ctypes
import os
import sys
import threading

LISTEN = """
    SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP;
    SELECT sleepEachRow(1) FROM numbers(1000000) FORMAT Null
    SETTINGS function_sleep_max_microseconds_per_block = 0, max_block_size = 1"""


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    library, *options = sys.argv[1:]
    threading.Thread(target=_end_with_parent, daemon=True).start()
    argv = ["clickhouse", *options, "--multiquery", f"--query={LISTEN}"]
    main = ctypes.CDLL(library).query_stable_v2
    main(len(argv), (ctypes.c_char_p * len(argv))(*(arg.encode() for arg in argv)))
