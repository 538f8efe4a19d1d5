"""Tells people how a run ended: once, through every configured channel, and in the log.

A task that fails with an exception speaks for itself (it knows the details). The DAG's callback
speaks for tasks that could not, such as a killed worker, and keeps silent where one has spoken.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from airflow.sdk import BaseHook, Variable
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret

from ml.errors import decoration
from notifications.patience import WITHIN
from pipeline.dag_defaults import REPLAY, ROLLBACK, TRAINING, WATCH
from pipeline.failure import failure_message
from pipeline.settings import read_models
from pipeline.ui.addresses import label_link, links_of_run, links_of_task

if TYPE_CHECKING:
    from notifications.channels import Channels
    from notifications.message import Message

log = logging.getLogger(__name__)
_Setting = TypeVar("_Setting")

_WORK: Final = {ROLLBACK: "Rollback", WATCH: "Watch", REPLAY: "Replay"}
_TOLD_KEY: Final = "failure_message"
CAME_TO: Final = "came_to"
"""Key of a failed task's XCom: whether the run was `rejected` or `failed`, and why."""
_LONGEST_REASON: Final = 300
_GLANCE: Final = 10.0
"""Seconds for a look at what is in production: an object store may not answer."""
_APPRISE_CONNECTION: Final = "apprise_default"
_HURRIED: Final = 45.0
"""Airflow stops a DAG's callback after 50 seconds."""
_told_here: set[str] = set()
"""Runs told of in this process."""


def tell(message: "Message", within: float = WITHIN) -> None:
    """Sends a message everywhere, in so many seconds, and logs what became of it on each channel.

    The pipeline's result does not depend on chat, so nothing is raised for an undelivered message.
    """
    from notifications.sender import secrets, send

    channels = read_channels()
    for secret in secrets(channels):
        mask_secret(secret)
    log.info("Message:\n%s", message.text)
    deliveries = send(message, channels, within=within)
    if not deliveries:
        log.warning(
            "No channel is configured, so this message stands in the log only. Set "
            "TELEGRAM_BOT_TOKEN and TELEGRAM_ADMIN_CHAT_ID, or SLACK_WEBHOOK_URL, or APPRISE_URLS."
        )
    for delivery in deliveries:
        if delivery.delivered and delivery.detail:
            log.warning("Delivered to %s, but: %s", delivery.channel, delivery.detail)
        elif delivery.delivered:
            log.info("Delivered to %s.", delivery.channel)
        else:
            log.error("NOT delivered to %s: %s", delivery.channel, delivery.detail)


def tell_of_failed_task(context: Mapping[str, Any]) -> "Message | None":
    """Task callback: sends the failure with its details, if the task left an exception.

    Returns:
        What was told; None without an exception.
    """
    error = context.get("exception")
    if error is None:
        return None
    task = context["ti"]
    report = getattr(error, "report", None)
    links = links_of_task(task, getattr(report, "page", None))
    notes = tuple(getattr(error, "__notes__", ())) if report else ()
    links |= label_link(notes)
    after = (*_after(context["run_id"], labels=report is not None), *notes)
    message = failure_message(task.task_id, error, links, _work(context), after)
    tell(message)
    _told_here.add(context["run_id"])
    task.xcom_push(key=_TOLD_KEY, value=task.try_number)
    rules = report.failed_rules if report else ()
    failed = (f"{rule.rule}: {rule.observed}, expected {rule.expected}" for rule in rules)
    why = "; ".join(failed) if report else str(error)
    task.xcom_push(key=CAME_TO, value=["rejected" if report else "failed", why[:_LONGEST_REASON]])
    return message


def tell_of_failed_run(context: Mapping[str, Any]) -> None:
    """DAG callback: sends a plain failure for a run of which no task has told."""
    from notifications.messages import failed, killed, timed_out

    if _is_told(context):
        return
    task_id = getattr(context.get("ti"), "task_id", None) or "(the run)"
    reason = str(context.get("reason") or "")
    # Airflow's word for every task that failed says nothing.
    known = "" if reason == "task_failure" else reason
    why = timed_out(_hours(context)) if reason == "timed_out" else killed(known)
    after = _after(context["run_id"])
    tell(failed(task_id, *why, _links(context), _work(context), after), _HURRIED)


def read_channels() -> "Channels":
    """Reads the chat settings from Variables and the connection `apprise_default`."""
    from notifications.channels import FORM_OF_ENTRIES, Channels, Problem

    names = (
        "TELEGRAM_BOT_TOKEN",
        "TELEGRAM_ADMIN_CHAT_ID",
        "SLACK_WEBHOOK_URL",
        "SLACK_BOT_TOKEN",
        "SLACK_CHANNEL",
        "APPRISE_URLS",
    )
    unreadable: list[Problem] = []

    def read(name: str, how: Callable[[], _Setting], otherwise: _Setting, hint: str) -> _Setting:
        try:
            return how()
        except Exception as error:  # noqa: BLE001 - such as one that another key has encrypted
            # Its text may quote the setting, which may be a secret.
            problem = f"{name} cannot be read ({type(error).__name__}): {hint}"
            unreadable.append(Problem(name, problem))
            return otherwise

    texts = {name: read(name, partial(_variable, name), "", "enter it again") for name in names}
    urls = texts.pop("APPRISE_URLS").splitlines()
    entries: tuple[tuple[str, str], ...] = ()
    connection = f"the connection {_APPRISE_CONNECTION}"
    return Channels(
        **{name.lower(): text for name, text in texts.items()},
        apprise_urls=tuple(urls),
        apprise_default=read(connection, _apprise_connection, entries, FORM_OF_ENTRIES),
        unreadable=tuple(unreadable),
    )


def _variable(name: str) -> str:
    return str(Variable.get(name, default=None) or "")


def _apprise_connection() -> tuple[tuple[str, str], ...]:
    from notifications.channels import entries_of

    try:
        connection = BaseHook.get_connection(_APPRISE_CONNECTION)
    except AirflowNotFoundException:
        return ()
    return entries_of(connection.extra_dejson.get("config"))


def _is_told(context: Mapping[str, Any]) -> bool:
    if context["run_id"] in _told_here:
        return True
    task: Any = context.get("ti")
    try:
        # What an earlier try has told stays there until the task itself runs again.
        told = task and task.xcom_pull(task_ids=task.task_id, key=_TOLD_KEY)
        return told is not None and told == task.try_number
    except ImportError:
        # `airflow dags test` runs this callback in the tasks' own process, without XComs.
        return False


def _after(run_id: str, *, labels: bool = False) -> tuple[str, ...]:
    """What stands after a run that failed; not known, where that would keep the message waiting.

    With labels, also what more of them would do, where production knows.
    """
    from clickhouse.dialects import within
    from ml.registry.models import read_production
    from notifications.details import more_labels, standing, utc

    now = datetime.now(UTC)
    with decoration("What is in production"):
        models = read_models()
        production = within(_GLANCE, lambda: read_production(models))
        known = None if production is None else production.metrics or {}
        curve = (known or {}).get("learning_curve") or {}
        told = labels and curve.get("helps") is not None
        advice = more_labels(curve["words"], " (production's curve)") if told else ()
        return (*standing(known, run_id, now), *advice)
    return (f"Happened: {utc(now)}",)


def _work(context: Mapping[str, Any]) -> str:
    return _WORK.get(_dag_id(context), "Training")


def _links(context: Mapping[str, Any]) -> dict[str, str]:
    task = context.get("ti")
    if task is None:
        return links_of_run(_dag_id(context), context["run_id"])
    return links_of_task(task)


def _dag_id(context: Mapping[str, Any]) -> str:
    return getattr(context.get("dag"), "dag_id", TRAINING)


def _hours(context: Mapping[str, Any]) -> float | None:
    limit = getattr(context.get("dag"), "dagrun_timeout", None)
    return limit.total_seconds() / 3600 if limit else None
