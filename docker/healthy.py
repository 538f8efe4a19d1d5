"""Healthcheck: `healthy.py URL [COMPONENT]` ends with 0 if Airflow answers and says it is healthy.

Takes 50 ms; `airflow jobs check` takes seconds of a core and 200 MB, again and again.
"""

import json
import sys
from urllib.error import URLError
from urllib.request import urlopen


def main(url: str, component: str | None = None) -> int:
    """Asks an address of the stack, and about one component where it tells of several."""
    try:
        with urlopen(url, timeout=5) as answer:  # noqa: S310 - the compose file's own addresses
            body = answer.read()
    except (URLError, OSError) as error:
        return report(f"{url}: {error}")
    if component is None:
        return 0
    status = json.loads(body)[component]["status"]
    return 0 if status == "healthy" else report(f"{component}: {status}")


def report(problem: str) -> int:
    """Says what is wrong, where `docker inspect` shows it."""
    sys.stderr.write(f"{problem}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
