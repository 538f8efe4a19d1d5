"""Opens the configured channels as Apprise's plug-ins, and names what must stay hidden of them."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from apprise import Apprise, AppriseAsset, NotifyBase, NotifyFormat

from notifications.answers import ANSWER_SECONDS, IsYes, anything, is_ok, says_ok
from notifications.channels import Channels, Endpoint, Problem
from notifications.redaction import maskable, silent_logs, token_pieces

_SENDER_NAME: Final = "Regime Detection"
# Plug-ins take URLs apart without checks: "tgram://1:" ends in an IndexError.
_PARSER_ERRORS: Final = (LookupError, TypeError, ValueError, AttributeError)
# A Slack workflow takes other fields, which only its owner knows.
_HOOKS: Final = frozenset({"hook", "gov-hook"})
_SLACK_MODES: Final = _HOOKS | {"bot"}

Style = Literal["html", "blocks", "text"]


@dataclass(frozen=True)
class Service:
    """A place that is ready to be sent to, and how a message is written for it."""

    channel: str
    plugin: NotifyBase
    style: Style
    takes_pictures: bool
    is_yes: IsYes


def _asset(tries: int) -> AppriseAsset:
    return AppriseAsset(
        app_id=_SENDER_NAME,
        app_desc=_SENDER_NAME,
        image_url_mask="",
        image_url_logo="",
        async_mode=False,
        default_service_retry=tries - 1,
        default_service_wait=0.0,
        # Tries end by themselves: what Apprise stops waiting for goes on in the background.
        service_timeout=0,
        # A redirect answers for somebody else; the text of a POST is lost on the way, too.
        http_redirects=False,
    )


def open_services(channels: Channels, tries: int = 1) -> Iterator[Service | Problem]:
    """Each configured channel as a service that tries so often, or what is wrong with it."""
    asset = _asset(tries)
    for entry in channels.entries():
        if isinstance(entry, Endpoint):
            yield from _open(entry, asset)
        else:
            yield entry


def _open(endpoint: Endpoint, asset: AppriseAsset) -> Iterator[Service | Problem]:
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


def _service(channel: str, plugin: NotifyBase) -> Service:
    """What is to know of a plug-in; one with a template of its owner's is left as it is."""
    plugin.socket_read_timeout = max(plugin.socket_read_timeout, ANSWER_SECONDS)
    schemes, own_template = schemes_of(plugin), bool(getattr(plugin, "template", None))
    style: Style = "text"
    if own_template:
        return Service(channel, plugin, style, takes_pictures=False, is_yes=_yes(plugin))
    if "tgram" in schemes and plugin.resolve_format() is NotifyFormat.HTML:
        style = "html"
    mode = str(getattr(plugin, "mode", ""))
    if "slack" in schemes and mode in _SLACK_MODES:
        style = "blocks"
    takes_pictures = "tgram" in schemes or mode == "bot"
    return Service(channel, plugin, style, takes_pictures, _yes(plugin))


def _yes(plugin: NotifyBase) -> IsYes:
    schemes = schemes_of(plugin)
    if "tgram" in schemes:
        return says_ok
    return is_ok if "slack" in schemes and getattr(plugin, "mode", "") in _HOOKS else anything


def hidden_values(channels: Channels, opened: Sequence[Service | Problem]) -> tuple[str, ...]:
    """Texts that no log may show, longest first."""
    values = list(channels.values())
    values += [piece for value in values for piece in token_pieces(value)]
    values += channels.given("telegram_bot_token").split(":")[1:]
    for entry in opened:
        if isinstance(entry, Service):
            values += _private_values(entry.plugin)
    return maskable(values)


def _private_values(plugin: NotifyBase) -> Iterator[str]:
    """What the plug-in itself declares private: tokens, passwords, webhook ids."""
    for key, spec in {**plugin.template_tokens, **plugin.template_args}.items():
        if spec.get("private"):
            value = getattr(plugin, str(spec.get("map_to", key)), None)
            many = value if isinstance(value, list | tuple | set) else (value,)
            yield from (one for one in many if isinstance(one, str))


def schemes_of(plugin: NotifyBase) -> set[str]:
    """How URLs of this plug-in begin, such as `tgram`."""
    schemes: set[str] = plugin.schemas()  # type: ignore[no-untyped-call]
    return schemes
