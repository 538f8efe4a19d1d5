"""Sends a message to every configured channel and says which of them took it.

The only module that imports Apprise. Each service gets an Apprise object of its own, so that one
channel that is down silences no other, and Apprise's verdict on it becomes one `Delivery`.
"""

import html
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from apprise import Apprise, AppriseAsset, AppriseResult, NotifyBase, NotifyFormat, NotifyType

from notifications.channels import Channels, Endpoint, Problem
from notifications.layout import one_line
from notifications.messages import Kind, Message
from notifications.redaction import maskable, redacted, silent_logs, token_pieces, watched_logs

_SENDER_NAME = "Regime Detection"
_COLOURS: dict[Kind, NotifyType] = {
    "deployed": NotifyType.SUCCESS,
    "not_deployed": NotifyType.WARNING,
    "approval_awaited": NotifyType.INFO,
    "data_rejected": NotifyType.FAILURE,
    "task_failed": NotifyType.FAILURE,
}
# Their title is a field of its own beside the text; everywhere else it would be shown twice.
_TITLED = frozenset({"mailto", "mailtos", "json", "jsons", "xml", "xmls", "form", "forms"})
# Plug-ins take URLs apart without checks: "tgram://1:" ends in an IndexError.
_PARSER_ERRORS = (LookupError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True)
class Delivery:
    """What became of a message on one channel; `detail` is the reason if it was not delivered."""

    channel: str
    delivered: bool
    detail: str = ""


@dataclass(frozen=True)
class _Service:
    channel: str
    plugin: NotifyBase


def send(
    message: Message, channels: Channels, *, tries: int = 3, wait_seconds: float = 2.0
) -> tuple[Delivery, ...]:
    """Sends `message` everywhere it is configured to go. A failed delivery is reported, not raised.

    Args:
        message: What to say.
        channels: Where to say it.
        tries: Attempts on each service; a chat that has taken the message is not tried again.
        wait_seconds: Pause between attempts.

    Returns:
        One delivery a service, and one for each channel that is set up wrongly; empty if no
        channel is configured.
    """
    asset = AppriseAsset(
        app_id=_SENDER_NAME,
        app_desc=_SENDER_NAME,
        image_url_mask="",
        image_url_logo="",
        default_service_retry=tries - 1,
        default_service_wait=wait_seconds,
    )
    opened = tuple(_open_all(channels, asset))
    hidden = _hidden(channels, opened)
    return tuple(
        Delivery(entry.channel, delivered=False, detail=entry.text)
        if isinstance(entry, Problem)
        else _deliver(message, entry, hidden)
        for entry in opened
    )


def problems(channels: Channels) -> tuple[str, ...]:
    """What is wrong with the settings, each naming a setting and never its value."""
    opened = _open_all(channels, AppriseAsset())
    return tuple(entry.text for entry in opened if isinstance(entry, Problem))


def secrets(channels: Channels) -> tuple[str, ...]:
    """Texts that a caller must mask in its logs, longest first."""
    return _hidden(channels, tuple(_open_all(channels, AppriseAsset())))


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
    yield from (_Service(endpoint.channel, plugin) for plugin in app.find())
    if not accepted:
        yield Problem(endpoint.channel, f"{endpoint.setting} is not an address Apprise accepts")


def _deliver(message: Message, service: _Service, hidden: Sequence[str]) -> Delivery:
    plugin = service.plugin
    text, written_in = _written_for(plugin, redacted(message.within(plugin.body_maxlen), hidden))
    app = Apprise(asset=plugin.asset)
    app.add(plugin)
    with watched_logs(hidden) as reasons:
        result = app.notify(
            body=text,
            title=message.title if _TITLED & _schemes(plugin) else "",
            notify_type=_COLOURS[message.kind],
            body_format=written_in,
        )
    if _is_delivered(result):
        return Delivery(service.channel, delivered=True)
    detail = one_line(" ".join(reasons)) or "Apprise names no reason"
    return Delivery(service.channel, delivered=False, detail=detail)


def _written_for(plugin: NotifyBase, text: str) -> tuple[str, NotifyFormat]:
    """The text as plain text; for Telegram as HTML without tags.

    Apprise 2.2 turns plain text for Telegram into HTML with <br/> and then drops every second of
    two <br/> in a row, and with it the blank lines. Line ends in HTML it leaves alone.
    """
    if "tgram" in _schemes(plugin) and plugin.resolve_format() is NotifyFormat.HTML:
        return html.escape(text, quote=False), NotifyFormat.HTML
    return text, NotifyFormat.TEXT


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
