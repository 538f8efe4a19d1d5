"""What the clickhouse room reports: SQLAlchemy exceptions that say what to do."""

from typing import Any, Final

from sqlalchemy.exc import DatabaseError, OperationalError

from clickhouse.quoting import visible

UNREACHABLE: Final = "cannot be reached"
BUSY: Final = "cannot answer now"
STRANGE: Final = "does not answer as ClickHouse"

_WAYS_OUT: Final = {
    UNREACHABLE: "see that the server is up and that host, port and protocol of the Connection are "
    "right",
    BUSY: "see the server's load and log, then clear the task",
    STRANGE: "see what stands at host and port of the Connection: a proxy between may answer in "
    "its place",
}


class ClickHouseRefused(DatabaseError):
    """The server answered no, and would again: a wrong password, a missing table, column or right.

    Attributes:
        server: protocol, host, port and database; never a login.
        answer: ClickHouse's own words, in one line.
        remedy: what a person can do about it.
    """

    def __init__(self, server: str, answer: str, remedy: str) -> None:
        super().__init__(None, None, Exception(answer))
        self.server = server
        self.answer = answer
        self.remedy = remedy

    def __str__(self) -> str:
        return visible(f"{self.server} refused: {self.answer} What to do: {self.remedy}.")

    def __reduce__(self) -> Any:
        return type(self), (self.server, self.answer, self.remedy)


class ClickHouseUnavailable(OperationalError):
    """The server, or the folder of the embedded one, does not serve now; later it may.

    Attributes:
        server: protocol, host, port and database; never a login.
        answer: what came instead, in one line.
        problem: what it does not do: `UNREACHABLE`, `BUSY` or `STRANGE`.
    """

    def __init__(self, server: str, answer: str, problem: str = UNREACHABLE) -> None:
        super().__init__(None, None, Exception(answer))
        self.server = server
        self.answer = answer
        self.problem = problem

    def __str__(self) -> str:
        return visible(
            f"ClickHouse at {self.server} {self.problem}: {self.answer} What to do: "
            f"{_WAYS_OUT[self.problem]}."
        )

    def __reduce__(self) -> Any:
        return type(self), (self.server, self.answer, self.problem)


class NotClickHouse(OSError):
    """What answers is something else, such as a proxy; becomes `ClickHouseUnavailable`."""


class SnapshotChanged(Exception):
    """A frozen table is not what was validated."""

    def __init__(self, table: str, expected: str, found: str) -> None:
        super().__init__(table, expected, found)
        self.table = table
        self.expected = expected
        self.found = found

    def __str__(self) -> str:
        return (
            f"Snapshot {self.table} has fingerprint {self.found}, but {self.expected} was "
            "validated. What to do: clear the run from check_data on, so that it is frozen and "
            "validated again; and find out who writes to the snapshot database."
        )
