"""Stands in for `docker-compose`: runs what is to run in a service's container on this machine.

Everything else is real: the documentation's commands, their pipes, and the programs. Settings
come from `HERE`, a JSON object: `places`, the container's folders by this machine's; `environment`
by service; `clickhouse`, the address of the server, whose client is no program of this machine.
"""

import json
import os
import subprocess
import sys

from sqlalchemy import text

from clickhouse.engine import opened

OPTIONS = {"-T", "--rm", "--no-deps"}


def main(arguments: list[str]) -> int:
    here = json.loads(os.environ["HERE"])
    verb, *rest = (part for part in arguments if part not in OPTIONS)
    if verb == "up":  # the test has started the empty servers
        return 0
    service, *command = rest
    for place, folder in here["places"].items():
        command = [part.replace(place, folder) for part in command]
    if command[0] == "clickhouse-client":
        with opened(here["clickhouse"]) as engine, engine.connect() as connection:
            connection.execute(text(command[-1]))
        return 0
    environment = os.environ | here["environment"].get(service, {})
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
