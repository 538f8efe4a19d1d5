"""Sends a message to every configured channel and says which of them took it.

Each service gets an Apprise object and a thread of its own, so that one channel that is down
neither silences nor delays another, and Apprise's verdict on it becomes one `Delivery`.
"""

import mimetypes
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from apprise import Apprise, AppriseAsset, AppriseResult, NotifyFormat, NotifyType
from apprise.attachment.memory import AttachMemory

from notifications.answers import bounded_answers
from notifications.channels import Channels, Problem
from notifications.layout import one_line
from notifications.message import Kind, Message, Picture
from notifications.patience import PAUSES, WITHIN, Patience, Time
from notifications.redaction import masked, masked_logs, noted_reasons, redacted
from notifications.rendering import as_blocks, as_caption_block, as_html
from notifications.services import Service, hidden_values, open_services, schemes_of

_COLOURS: dict[Kind, NotifyType] = {
    "deployed": NotifyType.SUCCESS,
    "kept": NotifyType.INFO,
    "waiting": NotifyType.WARNING,
    "rolled_back": NotifyType.WARNING,
    "rejected": NotifyType.FAILURE,
    "failed": NotifyType.FAILURE,
    "worrying": NotifyType.WARNING,
    "well": NotifyType.SUCCESS,
}
# Their title is a field of its own beside the text; everywhere else it would be shown twice.
_TITLED = frozenset({"mailto", "mailtos", "json", "jsons", "xml", "xmls", "form", "forms"})
# Megabytes that Telegram takes as a photo.
_LARGEST_PICTURE = 10
# Apprise takes at most 35,000 bytes of blocks, and JSON may make six of one UTF-16 unit.
_LONGEST_IN_SLACK = 5_000

Sleep = Callable[[float], object]


@dataclass(frozen=True)
class Delivery:
    """What became of a message on one channel.

    `detail` is the reason if it was not delivered, or says which picture is missing if it was.
    """

    channel: str
    delivered: bool
    detail: str = ""


@dataclass(frozen=True)
class _Post:
    body: str
    written_in: NotifyFormat
    title: str = ""
    attach: AttachMemory | None = None


def send(
    message: Message,
    channels: Channels,
    *,
    pauses: Sequence[float] = PAUSES,
    within: float = WITHIN,
    sleep: Sleep = time.sleep,
) -> tuple[Delivery, ...]:
    """Sends `message` everywhere it is configured to go. A failed delivery is reported, not raised.

    Args:
        message: What to say.
        channels: Where to say it.
        pauses: Seconds before each further try on a service; a chat that has taken the message is
            not tried again, and one that says no for good ends the tries.
        within: Seconds that all tries on a service may take; nothing goes on afterwards.
        sleep: Waits for that many seconds.

    Returns:
        One delivery a service, and one for each channel that is set up wrongly; empty if no
        channel is configured.
    """
    opened = tuple(open_services(channels, tries=1 + len(pauses)))
    if not opened:
        return ()
    hidden = hidden_values(channels, opened)
    clean = masked(message, hidden)

    def deliver(entry: Service | Problem) -> Delivery:
        if isinstance(entry, Problem):
            return Delivery(entry.channel, delivered=False, detail=entry.text)
        try:
            with bounded_answers(entry.is_yes):
                return _deliver(clean, entry, pauses, Time(within, sleep))
        except Exception as error:  # noqa: BLE001 - no chat may ever cost a run its result
            detail = redacted(f"{type(error).__name__}: {error}", hidden)
            return Delivery(entry.channel, delivered=False, detail=one_line(detail))

    with masked_logs(hidden), ThreadPoolExecutor(len(opened)) as threads:
        return tuple(threads.map(deliver, opened))


def colour_of(kind: Kind) -> str:
    """What Slack shows beside a message, such as `#3AA337`."""
    return str(AppriseAsset().color(_COLOURS[kind]))


def secrets(channels: Channels) -> tuple[str, ...]:
    """Texts that a caller must mask in its logs, longest first."""
    return hidden_values(channels, tuple(open_services(channels)))


def _deliver(message: Message, service: Service, pauses: Sequence[float], left: Time) -> Delivery:
    """Sends the text, then the pictures: Apprise gives up a text whose picture is lost."""
    problem = _post(service, message.kind, _text_post(message, service), pauses, left)
    if problem:
        return Delivery(service.channel, delivered=False, detail=problem)
    lost = []
    for picture in message.pictures if service.takes_pictures else ():
        try:
            post = _picture_post(picture, service)
        except ValueError as error:
            problem = str(error)
        else:
            problem = _post(service, message.kind, post, pauses[:1], left)
        if problem:
            lost.append(f"without {picture.name}: {problem}")
    return Delivery(service.channel, delivered=True, detail=one_line("; ".join(lost)))


def _post(service: Service, kind: Kind, post: _Post, pauses: Sequence[float], left: Time) -> str:
    """Lets Apprise send something; returns why it was not taken, "" if it was."""
    plugin = service.plugin
    app = Apprise(asset=plugin.asset)
    app.add(plugin)
    with noted_reasons() as reasons:
        original = plugin.notify
        plugin.notify = Patience(original, reasons, pauses, left)  # type: ignore[method-assign]
        try:
            result = app.notify(
                body=post.body,
                title=post.title,
                notify_type=_COLOURS[kind],
                body_format=post.written_in,
                attach=post.attach,
            )
        finally:
            plugin.notify = original  # type: ignore[method-assign]
    if _is_delivered(result):
        return ""
    return one_line(" ".join(reasons)) or "Apprise names no reason"


def _text_post(message: Message, service: Service) -> _Post:
    plugin = service.plugin
    if service.style == "html":
        # Apprise 2.2 would turn plain text for Telegram into HTML without its blank lines; in HTML
        # it ends lines with two characters.
        limit = plugin.body_maxlen - message.text.count("\n")
        return _Post(as_html(message.shortened(limit)), NotifyFormat.HTML)
    if service.style == "blocks":
        blocks = as_blocks(message.shortened(_LONGEST_IN_SLACK))
        _use_blocks(plugin, {"color": plugin.color(_COLOURS[message.kind]), **blocks})
    title = message.title if _TITLED & schemes_of(plugin) else ""
    return _Post(message.within(plugin.body_maxlen), NotifyFormat.TEXT, title)


def _picture_post(picture: Picture, service: Service) -> _Post:
    """A picture with its caption.

    Raises:
        ValueError: if a chat would refuse it.
    """
    megabytes = len(picture.content) / 1e6
    if not 0 < megabytes <= _LARGEST_PICTURE:
        raise ValueError(f"it has {megabytes:.1f} MB; allowed are up to {_LARGEST_PICTURE}")
    if service.style == "blocks":
        _use_blocks(service.plugin, as_caption_block(picture.caption))
    attached = _in_memory(picture.content, PurePath(picture.name).name)
    return _Post(picture.caption, NotifyFormat.TEXT, attach=attached)


def _in_memory(content: bytes, name: str) -> AttachMemory:
    """A file for Apprise that is none, so that a process that is killed leaves none behind."""
    return AttachMemory(content, name, mimetypes.guess_type(name)[0])  # type: ignore[no-untyped-call]


def _use_blocks(plugin: Any, content: dict[str, Any]) -> None:
    """Gives Slack's plug-in the blocks to send, in the place of what it makes of a template."""
    plugin.template.clear()
    plugin.template.add(_in_memory(b"{}", "blocks.json"))
    plugin.use_blocks = True
    # Its own would read the template from a file, and fill in where the data says {{app_id}}.
    plugin.gen_payload = lambda *_, **__: content


def _is_delivered(result: AppriseResult) -> bool:
    # Apprise counts a service marked ?optional=yes as a success whatever became of it.
    taken = [bool(service.attempts and service.attempts[-1]) for service in result.results]
    return bool(result) and bool(taken) and all(taken)
