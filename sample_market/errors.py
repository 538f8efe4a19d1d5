"""What can be wrong with what a person asks for or hands in."""

from pathlib import Path


class BadMarketSpec(ValueError):
    """A setting of the simulated market is out of range."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        self.field = field
        self.value = value
        self.allowed = allowed
        super().__init__(f"{field} is {value!r}, allowed is: {allowed}.")

    def __reduce__(self) -> tuple[type["BadMarketSpec"], tuple[str, object, str]]:
        return type(self), (self.field, self.value, self.allowed)


class BadMarketFile(ValueError):
    """A person's own file of features cannot be loaded as it is.

    Attributes:
        path: the file.
        column: the column at fault; empty if the file as a whole is.
        row: the first data row at fault, counted from 1 without the header; None if not one row is.
        problem: what was found there.
        remedy: what to do about it.
    """

    def __init__(self, path: Path, column: str, row: int | None, problem: str, remedy: str) -> None:
        self.path = path
        self.column = column
        self.row = row
        self.problem = problem
        self.remedy = remedy
        place = [f"column {column}"] if column else []
        place += [f"row {row}"] if row is not None else []
        super().__init__(f"{', '.join([str(path), *place])}: {problem}. {remedy}.")

    def __reduce__(
        self,
    ) -> tuple[type["BadMarketFile"], tuple[Path, str, int | None, str, str]]:
        return type(self), (self.path, self.column, self.row, self.problem, self.remedy)
