"""What can be wrong with what a person asks for or hands in."""

from pathlib import Path


class BadMarketSpec(ValueError):
    """A setting of the simulated market is out of range."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        super().__init__(field, value, allowed)
        self.field, self.value, self.allowed = field, value, allowed

    def __str__(self) -> str:
        return f"{self.field} is {self.value!r}, allowed is: {self.allowed}."


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
        super().__init__(path, column, row, problem, remedy)
        self.path, self.column, self.row = path, column, row
        self.problem, self.remedy = problem, remedy

    def __str__(self) -> str:
        place = [str(self.path)]
        place += [f"column {self.column}"] if self.column else []
        place += [f"row {self.row}"] if self.row is not None else []
        return f"{', '.join(place)}: {self.problem}. {self.remedy}."
