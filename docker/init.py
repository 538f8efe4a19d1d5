"""Prepares Airflow's database: tables, the first login, the first Connection and Variables.

Runs at each start of the stack and adds only what is absent, so what people change in the Airflow
UI stays. Everything comes from the environment:

    ADMIN_USER, ADMIN_PASSWORD          login with the role Admin
    INIT_CONN_<ID>, INIT_VAR_<NAME>     in the form of AIRFLOW_CONN_… and AIRFLOW_VAR_…, which are
                                        not used here because the UI neither shows nor changes them

One process does it all, so that no password stands on a command line.
"""

import os
import sys
from collections.abc import Mapping

CONNECTION = "INIT_CONN_"
VARIABLE = "INIT_VAR_"


def main(environment: Mapping[str, str]) -> int:
    """Brings the database of the configured Airflow to where the stack can start."""
    run_airflow("db", "migrate")
    add_admin(environment["ADMIN_USER"], environment["ADMIN_PASSWORD"])
    for name, value in with_prefix(CONNECTION, environment).items():
        add_connection(name.lower(), value)
    for name, value in with_prefix(VARIABLE, environment).items():
        add_variable(name, value)
    return 0


def with_prefix(prefix: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Selects the variables of one kind.

    >>> with_prefix("INIT_VAR_", {"INIT_VAR_MODELS_DIR": "/app/models", "PATH": "/bin"})
    {'MODELS_DIR': '/app/models'}
    """
    return {
        name.removeprefix(prefix): value
        for name, value in sorted(environment.items())
        if name.startswith(prefix)
    }


def add_admin(user: str, password: str) -> None:
    """Adds the login; one that exists keeps its password, and Airflow says so."""
    run_airflow(
        *("users", "create", "--role", "Admin", "--username", user, "--password", password),
        *("--firstname", user, "--lastname", "Admin", "--email", f"{user}@localhost"),
    )


def run_airflow(*arguments: str) -> None:
    """Runs a command of Airflow's command line inside this process."""
    from airflow.cli.cli_parser import get_parser  # noqa: PLC0415, TID251 - reads the environment

    parsed = get_parser().parse_args(arguments)
    parsed.func(parsed)


def add_connection(connection_id: str, text: str) -> None:
    """Adds a Connection, given as JSON, unless its id is taken."""
    from airflow.models import Connection  # noqa: PLC0415, TID251
    from airflow.utils.session import create_session  # noqa: PLC0415, TID251

    with create_session() as session:
        if session.query(Connection).filter_by(conn_id=connection_id).count():
            report(f"Connection {connection_id}: kept")
            return
        session.add(Connection.from_json(text, conn_id=connection_id))
    report(f"Connection {connection_id}: added")


def add_variable(name: str, value: str) -> None:
    """Adds a Variable unless its name is taken."""
    from airflow.models import Variable  # noqa: PLC0415, TID251
    from airflow.utils.session import create_session  # noqa: PLC0415, TID251

    with create_session() as session:
        if session.query(Variable).filter_by(key=name).count():
            report(f"Variable {name}: kept")
            return
        Variable.set(name, value, session=session)
    report(f"Variable {name}: {value}")


def report(line: str) -> None:
    """Says what was done, in the log of the service."""
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(os.environ))
