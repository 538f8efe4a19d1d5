"""Sends a message to every configured channel and says which of them took it.

The only module that imports Apprise. Each service gets an Apprise object and a thread of its own,
so that one channel that is down neither silences nor delays another, and Apprise's verdict on it
becomes one `Delivery`.
"""

import json
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from apprise import Apprise, AppriseAsset, AppriseResult, NotifyBase, NotifyFormat, NotifyType

from notifications.channels import Channels, Endpoint, Problem
from notifications.layout import one_line
from notifications.message import Kind, Message, Picture
from notifications.patience import PAUSES, Patience
from notifications.redaction import (
    maskable,
    masked,
    masked_logs,
    noted_reasons,
    silent_logs,
    token_pieces,
)
from notifications.rendering import as_blocks, as_caption_block, as_html

_SENDER_NAME = "Regime Detection"
_COLOURS: dict[Kind, NotifyType] = {
    "deployed": NotifyType.SUCCESS,
    "not_deployed": NotifyType.WARNING,
    "approval_awaited": NotifyType.INFO,
    "rolled_back": NotifyType.WARNING,
    "data_rejected": NotifyType.FAILURE,
    "task_failed": NotifyType.FAILURE,
    "run_late": NotifyType.WARNING,
}
# Their title is a field of its own beside the text; everywhere else it would be shown twice.
_TITLED = frozenset({"mailto", "mailtos", "json", "jsons", "xml", "xmls", "form", "forms"})
# Plug-ins take URLs apart without checks: "tgram://1:" ends in an IndexError.
_PARSER_ERRORS = (LookupError, TypeError, ValueError, AttributeError)
# Apprise's own 4 seconds are short: a message taken later than that would be sent twice.
_ANSWER_SECONDS = 15.0
_LARGEST_PICTURE = 10_000_000
# A Slack workflow takes other fields, which only its owner knows.
_SLACK_MODES = frozenset({"hook", "gov-hook", "bot"})
# Apprise takes at most 35,000 bytes of blocks, and JSON may make six of one UTF-16 unit.
_LONGEST_IN_SLACK = 5_000

Style = Literal["html", "blocks", "text"]
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
class _Service:
    channel: str
    plugin: NotifyBase
    style: Style
    takes_pictures: bool


@dataclass(frozen=True)
class _Post:
    body: str
    written_in: NotifyFormat
    title: str = ""
    attach: str | None = None


def send(
    message: Message,
    channels: Channels,
    *,
    pauses: Sequence[float] = PAUSES,
    sleep: Sleep = time.sleep,
) -> tuple[Delivery, ...]:
    """Sends `message` everywhere it is configured to go. A failed delivery is reported, not raised.

    Args:
        message: What to say.
        channels: Where to say it.
        pauses: Seconds before each further try on a service; a chat that has taken the message is
            not tried again, and one that says no for good ends the tries.
        sleep: Waits for that many seconds.

    Returns:
        One delivery a service, and one for each channel that is set up wrongly; empty if no
        channel is configured.
    """
    opened = tuple(_open_all(channels, _asset(tries=1 + len(pauses))))
    hidden = _hidden(channels, opened)
    deliver = partial(_delivery, masked(message, hidden), pauses=pauses, sleep=sleep)
    if not opened:
        return ()
    with masked_logs(hidden), ThreadPoolExecutor(len(opened)) as threads:
        return tuple(threads.map(deliver, opened))


def problems(channels: Channels) -> tuple[str, ...]:
    """What is wrong with the settings, each naming a setting and never its value."""
    opened = _open_all(channels, _asset())
    return tuple(entry.text for entry in opened if isinstance(entry, Problem))


def secrets(channels: Channels) -> tuple[str, ...]:
    """Texts that a caller must mask in its logs, longest first."""
    return _hidden(channels, tuple(_open_all(channels, _asset())))


def _asset(tries: int = 1) -> AppriseAsset:
    return AppriseAsset(
        app_id=_SENDER_NAME,
        app_desc=_SENDER_NAME,
        image_url_mask="",
        image_url_logo="",
        async_mode=False,
        default_service_retry=tries - 1,
        default_service_wait=0.0,
    )


def _open_all(channels: Channels, asset: AppriseAsset) -> Iterator[_Service | Problem]:
    for entry in channels.entries():
        if isinstance(entry, Endpoint):
            yield from _open(entry, asset)
        else:
            yield entry


def _open(endpoint: Endpoint, asset: AppriseAsset) -> Iterator[_Service | Problem]:
    app = Apprise(asset=asset)
    with silent_logs(), warnings.catch_warnings():
        # Apprise's first URL loads all plug-ins, and one imports the deprecated imghdr.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            accepted = app.add(endpoint.url)
        except _PARSER_ERRORS:
            accepted = False
    yield from (_service(endpoint.channel, plugin) for plugin in app.find())
    if not accepted:
        yield Problem(endpoint.channel, f"{endpoint.setting} is not an address Apprise accepts")


def _service(channel: str, plugin: NotifyBase) -> _Service:
    """What is to know of a plug-in; one with a template of its owner's is left as it is."""
    plugin.socket_read_timeout = max(plugin.socket_read_timeout, _ANSWER_SECONDS)
    schemes, own_template = _schemes(plugin), bool(getattr(plugin, "template", None))
    style: Style = "text"
    if own_template:
        return _Service(channel, plugin, style, takes_pictures=False)
    if "tgram" in schemes and plugin.resolve_format() is NotifyFormat.HTML:
        style = "html"
    mode = str(getattr(plugin, "mode", ""))
    if "slack" in schemes and mode in _SLACK_MODES:
        style = "blocks"
    return _Service(channel, plugin, style, "tgram" in schemes or mode == "bot")


def _delivery(
    message: Message, entry: _Service | Problem, *, pauses: Sequence[float], sleep: Sleep
) -> Delivery:
    if isinstance(entry, Problem):
        return Delivery(entry.channel, delivered=False, detail=entry.text)
    try:
        with TemporaryDirectory(prefix="regime_message_") as folder:
            return _deliver(message, entry, Path(folder), pauses, sleep)
    except OSError as error:
        return Delivery(entry.channel, delivered=False, detail=f"not sent: {error}")


def _deliver(
    message: Message, service: _Service, folder: Path, pauses: Sequence[float], sleep: Sleep
) -> Delivery:
    """Sends the text, then the pictures: Apprise gives up a text whose picture is lost."""
    problem = _post(service, message.kind, _text_post(message, service, folder), pauses, sleep)
    if problem:
        return Delivery(service.channel, delivered=False, detail=problem)
    lost = []
    for picture in message.pictures if service.takes_pictures else ():
        problem = _problem_of(picture)
        if not problem:
            post = _picture_post(picture, service, folder)
            problem = _post(service, message.kind, post, pauses[:1], sleep)
        if problem:
            lost.append(f"without {picture.name}: {problem}")
    return Delivery(service.channel, delivered=True, detail=one_line("; ".join(lost)))


def _post(service: _Service, kind: Kind, post: _Post, pauses: Sequence[float], sleep: Sleep) -> str:
    """Lets Apprise send something; returns why it was not taken, "" if it was."""
    plugin = service.plugin
    app = Apprise(asset=plugin.asset)
    app.add(plugin)
    with noted_reasons() as reasons:
        original = plugin.notify
        plugin.notify = Patience(original, reasons, pauses, sleep)  # type: ignore[method-assign]
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


def _text_post(message: Message, service: _Service, folder: Path) -> _Post:
    plugin = service.plugin
    if service.style == "html":
        # Apprise 2.2 would turn plain text for Telegram into HTML without its blank lines; in HTML
        # it ends lines with two characters.
        limit = plugin.body_maxlen - message.text.count("\n")
        return _Post(as_html(message.shortened(limit)), NotifyFormat.HTML)
    if service.style == "blocks":
        blocks = as_blocks(message.shortened(_LONGEST_IN_SLACK))
        coloured = {"color": plugin.color(_COLOURS[message.kind]), **blocks}
        _use_template(plugin, coloured, folder / "text.json")
    title = message.title if _TITLED & _schemes(plugin) else ""
    return _Post(message.within(plugin.body_maxlen), NotifyFormat.TEXT, title)


def _picture_post(picture: Picture, service: _Service, folder: Path) -> _Post:
    file = folder / Path(picture.name).name
    file.write_bytes(picture.content)
    if service.style == "blocks":
        caption = as_caption_block(picture.caption)
        _use_template(service.plugin, caption, folder / "caption.json")
    return _Post(picture.caption, NotifyFormat.TEXT, attach=str(file))


def _use_template(plugin: Any, content: dict[str, Any], file: Path) -> None:
    """Gives Slack's plug-in the blocks to send, as the template that Apprise has for it."""
    # Otherwise Apprise would fill in its own words where the data says {{app_id}}.
    file.write_text(json.dumps(content).replace("{{", "{\\u007b"), encoding="ascii")
    plugin.template.clear()
    plugin.template.add(str(file))
    plugin.use_blocks = True


def _problem_of(picture: Picture) -> str:
    if not picture.content:
        return "it is empty"
    size = len(picture.content)
    if size > _LARGEST_PICTURE:
        return f"it has {size / 1e6:.0f} MB, and {_LARGEST_PICTURE / 1e6:.0f} MB is the most"
    return ""


def _schemes(plugin: NotifyBase) -> set[str]:
    schemes: set[str] = plugin.schemas()  # type: ignore[no-untyped-call]
    return schemes


def _is_delivered(result: AppriseResult) -> bool:
    # Apprise counts a service marked ?optional=yes as a success whatever became of it.
    taken = [bool(service.attempts and service.attempts[-1]) for service in result.results]
    return bool(result) and bool(taken) and all(taken)


def _hidden(channels: Channels, opened: Sequence[_Service | Problem]) -> tuple[str, ...]:
    values = list(channels.values())
    values += [piece for value in values for piece in token_pieces(value)]
    values += channels.given("telegram_bot_token").split(":")[1:]
    for entry in opened:
        if isinstance(entry, _Service):
            values += _private_values(entry.plugin)
    return maskable(values)


def _private_values(plugin: NotifyBase) -> Iterator[str]:
    """What the plug-in itself declares private: tokens, passwords, webhook ids."""
    for key, spec in {**plugin.template_tokens, **plugin.template_args}.items():
        if spec.get("private"):
            value = getattr(plugin, str(spec.get("map_to", key)), None)
            many = value if isinstance(value, list | tuple | set) else (value,)
            yield from (one for one in many if isinstance(one, str))
