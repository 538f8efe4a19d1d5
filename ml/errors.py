"""What the ml room reports: a model that cannot be trained, or must not be used.

Retrying cures none of these. A folder or a disk that cannot be used stays an `OSError`. What only
adorns a run, such as a picture or a link, is no error at all: `decoration`.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from ml.words import visible

log = logging.getLogger(__name__)


class ModelError(ValueError):
    """No model can come of this; says what is wrong and what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return visible(f"{self.problem}. What to do: {self.remedy}.")


class TooFewSamples(ModelError):
    """A part of the data has fewer samples, or fewer regimes, than a model or a verdict needs.

    Attributes:
        part: which part, with its unit, such as `holdout's samples`.
        found: how many there are.
        needed: how few would do.
    """

    def __init__(self, part: str, found: int, needed: int, remedy: str) -> None:
        super().__init__(f"The {part}: {found}, and at least {needed} are needed", remedy)
        self.args = (part, found, needed, remedy)
        self.part = part
        self.found = found
        self.needed = needed


class ModelBroken(ModelError):
    """A model file that is damaged, is not the one that was meant, or breaks the contract.

    Attributes:
        model: which model, such as `candidate of run x`.
        problems: everything that was found wrong with it.
    """

    def __init__(self, model: str, problems: tuple[str, ...], remedy: str) -> None:
        super().__init__(f"The {model} is broken: {'; '.join(problems)}", remedy)
        self.args = (model, problems, remedy)
        self.model = model
        self.problems = problems


@contextmanager
def decoration(what: str) -> Iterator[None]:
    """Leaves a block at its first error, tells of it in the log, and goes on.

    Args:
        what: is missing then, such as `The confusion matrix`.

    >>> with decoration("The picture"):
    ...     raise ValueError("no paint")
    """
    try:
        yield
    except Exception:
        log.warning("%s is left out", what, exc_info=True)
