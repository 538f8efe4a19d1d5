"""Words a failed task for the chat: rejected data with its report, anything else with a remedy."""

import errno
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ml.errors import decoration

if TYPE_CHECKING:
    from expectations.report import GateReport
    from notifications.message import Message, Picture

_REMEDIES: Final = {
    "AirflowTaskTimeout": "Please see in the log what took so long, then clear the task.",
    "AirflowNotFoundException": "Please define it in Airflow (Admin, Connections) and clear the "
    "task.",
    "MemoryError": "Please give the worker more memory, then clear the task.",
    "ImportError": "Please install requirements.txt where the worker runs, then clear the task.",
    "PermissionError": "Please let the worker's user read and write there, then clear the task.",
}
"""What to do about errors that do not say it themselves, by the name of their class."""


def failure_message(
    task_id: str,
    error: BaseException,
    links: Mapping[str, str],
    work: str = "Training",
    after: Sequence[str] = (),
) -> "Message":
    """Words a failure: rejected data with its report, anything else with its error.

    `links`, `work` and `after` are as `notifications.messages.failed` takes them.
    """
    from notifications.messages import failed, rejected

    report = getattr(error, "report", None)
    if report is not None:
        return rejected(report.to_dict(), links, _pictures(report), task_id, after)
    text, _, remedy = str(error).partition(" What to do: ")
    if not remedy:
        name = type(error).__name__
        text, remedy = f"{name}: {text}" if text else name, _remedy(error)
    return failed(task_id, text, _sentence(remedy), links, work, after)


def _pictures(report: "GateReport") -> "tuple[Picture, ...]":
    from notifications.message import Picture

    with decoration("The picture of the class balance"):
        from expectations.docs.balance_picture import class_balance_png

        picture = class_balance_png(report.classes, report.verdict, report.missing)
        return (Picture("class_balance.png", picture),)
    return ()


def _remedy(error: BaseException) -> str:
    if getattr(error, "errno", None) == errno.ENOSPC:
        return "Please free space on that disk, then clear the task."
    names = (kind.__name__ for kind in type(error).__mro__)
    return next((_REMEDIES[name] for name in names if name in _REMEDIES), "")


def _sentence(text: str) -> str | None:
    text = text.strip()
    return text[:1].upper() + text[1:] if text else None
