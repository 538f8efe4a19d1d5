"""Which chats are told: settings in, Apprise URLs or named problems out.

Pure: no URL is tried here. A problem names the setting to mend and never its value, because most of
these settings are secrets; for the same reason nothing here shows a value in its `repr`.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

_TELEGRAM_TOKEN = re.compile(r"(bot)?\d+:[\w-]+", re.ASCII)
_TELEGRAM_CHAT = re.compile(r"(-?\d{1,32}|@?[A-Za-z_-][\w-]+)(:\d+)?", re.ASCII)
_SLACK_CHANNEL = re.compile(r"[+#@]?[\w-]{1,32}|[^@\s/]+@[^@\s/]+", re.ASCII)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.ASCII | re.IGNORECASE)
_BETWEEN = re.compile(r"[\s,]+(?=[a-z0-9]+://)", re.ASCII | re.IGNORECASE)
_SLACK_CHANNEL_ID = re.compile(r"[CDGU][A-Z0-9]{7,}")

FORM_OF_ENTRIES = 'its extra must be {"config": [{"path": "<Apprise URL>", "tag": "<name>"}]}'


@dataclass(frozen=True)
class Endpoint:
    """One place to send to. `setting` is what a person changes when it does not work."""

    channel: str
    setting: str
    url: str = field(repr=False)


@dataclass(frozen=True)
class Problem:
    """A channel that was meant but cannot be used, and what to do."""

    channel: str
    text: str


@dataclass(frozen=True, repr=False)
class Channels:
    """The settings of all channels, as they are given; empty text counts as not given.

    A Slack webhook wins over a Slack bot, so that nobody reads a message twice.

    >>> Channels(telegram_bot_token="123:abc", telegram_admin_chat_id="42")
    Channels(Telegram)
    >>> list(Channels(slack_bot_token="xoxb-1").entries())  # doctest: +NORMALIZE_WHITESPACE
    [Problem(channel='Slack',
             text='SLACK_BOT_TOKEN is set, so SLACK_CHANNEL is needed too')]

    Attributes:
        apprise_urls: Lines of further Apprise URLs; blank ones, and comments after a `#`, are
            passed over.
        apprise_default: `(URL, tag)` of each entry of the connection `apprise_default`.
        unreadable: What is wrong with settings that could not even be read.
    """

    telegram_bot_token: str | None = None
    telegram_admin_chat_id: str | None = None
    slack_webhook_url: str | None = None
    slack_bot_token: str | None = None
    slack_channel: str | None = None
    apprise_urls: tuple[str, ...] = ()
    apprise_default: tuple[tuple[str, str], ...] = ()
    unreadable: tuple[Problem, ...] = ()

    def __repr__(self) -> str:
        return f"Channels({', '.join(entry.channel for entry in self.entries())})"

    def given(self, name: str) -> str:
        """The text of a setting without surrounding blanks; "" if it is not given."""
        return (getattr(self, name) or "").strip()

    def values(self) -> Iterator[str]:
        """Every single setting that is given, with Telegram's chat and Slack's channel left out."""
        single = ("telegram_bot_token", "slack_webhook_url", "slack_bot_token")
        yield from map(self.given, single)
        yield from (url.strip() for url in self.apprise_urls)
        yield from (url.strip() for url, _ in self.apprise_default)

    def entries(self) -> Iterator[Endpoint | Problem]:
        """Each configured channel, usable or not."""
        yield from _telegram(self)
        yield from _slack(self)
        for number, line in enumerate(self.apprise_urls, start=1):
            if line.strip() and not line.strip().startswith("#"):
                name = f"APPRISE_URLS line {number}"
                yield _endpoint(name, name, line)
        for url, tag in self.apprise_default:
            name = f"apprise_default ({tag})" if tag else "apprise_default"
            yield _endpoint(name, f"the connection {name}", url)
        yield from self.unreadable


def entries_of(config: object) -> tuple[tuple[str, str], ...]:
    """Reads what the form of the connection `apprise_default` has stored.

    Args:
        config: `config` of its extra: entries with `path` and `tag`, one or a list, perhaps as
            JSON text.

    Returns:
        `(path, tag)` of each.

    Raises:
        ValueError: if it is something else.

    >>> entries_of('[{"path": "json://host", "tag": "ops"}]'), entries_of({"path": "json://host"})
    ((('json://host', 'ops'),), (('json://host', ''),))
    """
    found: Any = json.loads(config) if isinstance(config, str) else config
    entries = found if isinstance(found, list) else [found]
    if not entries or not all(
        isinstance(e, dict) and isinstance(e.get("path"), str) for e in entries
    ):
        raise ValueError(FORM_OF_ENTRIES)
    return tuple((entry["path"], str(entry.get("tag") or "")) for entry in entries)


def _endpoint(channel: str, setting: str, text: str) -> Endpoint | Problem:
    """A channel of an Apprise URL, or of several; Apprise would find them in any text."""
    if all(map(_ADDRESS.fullmatch, _BETWEEN.split(text.strip()))):
        return Endpoint(channel, setting, text.strip())
    comment = "a comment is a line of its own that begins with #, and a blank in a URL is %20"
    return Problem(channel, f"{setting} has something else than an address in it: {comment}")


def _telegram(channels: Channels) -> Iterator[Endpoint | Problem]:
    token = channels.given("telegram_bot_token")
    chat = channels.given("telegram_admin_chat_id")
    if not token and not chat:
        return
    if problem := _incomplete("TELEGRAM_BOT_TOKEN", token, "TELEGRAM_ADMIN_CHAT_ID", chat):
        yield Problem("Telegram", problem)
    elif not _TELEGRAM_TOKEN.fullmatch(token):
        yield Problem("Telegram", "TELEGRAM_BOT_TOKEN must look like 123456789:letters-and-digits")
    elif not _TELEGRAM_CHAT.fullmatch(chat):
        yield Problem("Telegram", "TELEGRAM_ADMIN_CHAT_ID must be a number or a @name")
    else:
        url = f"tgram://{token}/{quote(chat, safe='@:')}/"
        yield Endpoint("Telegram", "TELEGRAM_BOT_TOKEN", url)


def _slack(channels: Channels) -> Iterator[Endpoint | Problem]:
    webhook = channels.given("slack_webhook_url")
    token, channel = channels.given("slack_bot_token"), channels.given("slack_channel")
    if webhook:
        yield _endpoint("Slack", "SLACK_WEBHOOK_URL", webhook)
    elif problem := _incomplete("SLACK_BOT_TOKEN", token, "SLACK_CHANNEL", channel):
        yield Problem("Slack", problem)
    elif channel and not _SLACK_CHANNEL.fullmatch(channel):
        yield Problem("Slack", "SLACK_CHANNEL must be one #channel, @user, mail address or id")
    elif token:
        # Apprise puts # before a bare name; an id like C0123ABCD is not a name.
        target = f"+{channel}" if _SLACK_CHANNEL_ID.fullmatch(channel) else channel
        url = f"slack://{quote(token, safe='')}/{quote(target, safe='')}"
        yield Endpoint("Slack", "SLACK_BOT_TOKEN", url)


def _incomplete(first: str, first_value: str, second: str, second_value: str) -> str:
    if first_value and not second_value:
        return f"{first} is set, so {second} is needed too"
    if second_value and not first_value:
        return f"{second} is set, so {first} is needed too"
    return ""
