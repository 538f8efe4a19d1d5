"""Settings become addresses or problems, and never show their values."""

import pytest

from notifications.channels import Channels, Endpoint, Problem, entries_of

TOKEN = "123456789:AAE-abc_DEF"
BOT = "xoxb-1234-5678-abcdef"


def test_entries_with_nothing_given_are_empty():
    assert list(Channels(telegram_bot_token=" ", apprise_urls=("", " ")).entries()) == []


def test_entries_with_everything_given_name_each_channel():
    channels = Channels(
        telegram_bot_token=TOKEN,
        telegram_admin_chat_id="-100123",
        slack_bot_token=BOT,
        slack_channel="#ops",
        apprise_urls=("", "json://localhost"),
        apprise_default=(("json://localhost/a", "alerts"), ("json://localhost/b", "")),
    )
    assert [(entry.channel, entry.url) for entry in channels.entries()] == [
        ("Telegram", f"tgram://{TOKEN}/-100123/"),
        ("Slack", f"slack://{BOT}/%23ops"),
        ("APPRISE_URLS line 2", "json://localhost"),
        ("apprise_default (alerts)", "json://localhost/a"),
        ("apprise_default", "json://localhost/b"),
    ]


def test_slack_with_webhook_and_bot_uses_the_webhook_alone():
    channels = Channels(
        slack_webhook_url="https://hooks.slack.com/services/T1/B2/c3",
        slack_bot_token=BOT,
        slack_channel="#ops",
    )
    assert [entry.setting for entry in channels.entries()] == ["SLACK_WEBHOOK_URL"]


@pytest.mark.parametrize(
    ("channel", "target"),
    [("ops", "ops"), ("C0123ABCDEF", "%2BC0123ABCDEF"), ("@ann", "%40ann")],
)
def test_slack_channel_given_as_name_or_id_becomes_a_target(channel, target):
    (entry,) = Channels(slack_bot_token=BOT, slack_channel=channel).entries()
    assert entry.url == f"slack://{BOT}/{target}"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"telegram_bot_token": TOKEN}, "TELEGRAM_ADMIN_CHAT_ID"),
        ({"telegram_admin_chat_id": "42-secret"}, "TELEGRAM_BOT_TOKEN"),
        ({"telegram_bot_token": "secret", "telegram_admin_chat_id": "42"}, "TELEGRAM_BOT_TOKEN"),
        ({"telegram_bot_token": "123:", "telegram_admin_chat_id": "42"}, "TELEGRAM_BOT_TOKEN"),
        ({"telegram_bot_token": TOKEN, "telegram_admin_chat_id": "s3cret !"}, "ADMIN_CHAT_ID"),
        ({"slack_bot_token": BOT}, "SLACK_CHANNEL"),
        ({"slack_channel": "#ops"}, "SLACK_BOT_TOKEN"),
        ({"slack_bot_token": BOT, "slack_channel": "#a, #b"}, "SLACK_CHANNEL"),
    ],
)
def test_channel_half_or_wrongly_configured_is_a_problem_naming_the_setting(settings, named):
    (problem,) = Channels(**settings).entries()
    assert isinstance(problem, Problem)
    assert named in problem.text
    assert not any(value in problem.text for value in settings.values())


def test_comment_among_the_urls_is_no_channel_and_its_token_stays_hidden():
    channels = Channels(apprise_urls=("# tgram://123456:s3cret/1", " #json://host", "json://host"))
    assert list(channels.entries()) == [
        Endpoint("APPRISE_URLS line 3", "APPRISE_URLS line 3", "json://host")
    ]
    assert "# tgram://123456:s3cret/1" in channels.values()


@pytest.mark.parametrize(
    "text",
    [
        "json://host # my chat",
        "chat: json://host",
        "json://host my chat",
        "s3cret",
        '"json://host"',
    ],
)
def test_text_beside_an_address_is_a_problem_naming_the_setting_and_no_value(text):
    channels = Channels(
        apprise_urls=(text,), slack_webhook_url=text, apprise_default=((text, "ops"),)
    )
    told = [entry.text for entry in channels.entries() if isinstance(entry, Problem)]
    settings = ("SLACK_WEBHOOK_URL", "APPRISE_URLS line 1", "the connection apprise_default (ops)")
    assert [line.partition(" has ")[0] for line in told] == list(settings)
    assert all("begins with #" in line and text not in line for line in told)


@pytest.mark.parametrize(
    "config",
    [
        ["json://host"],
        [{"tag": "ops"}],
        {"path": 7},
        "[",
        "json://host",
        7,
        [None],
        {"a": 1},
        None,
        [],
        "",
        "[]",
    ],
)
def test_connection_of_another_form_says_which_is_wanted(config):
    with pytest.raises(ValueError, match=r"extra must be|Expecting value"):
        entries_of(config)


def test_repr_of_channels_and_endpoints_shows_no_value():
    channels = Channels(
        telegram_bot_token=TOKEN,
        telegram_admin_chat_id="-100123",
        apprise_urls=("json://user:hunter22@localhost",),
    )
    shown = repr(channels) + repr(list(channels.entries()))
    assert "Telegram, APPRISE_URLS line 1" in shown
    assert not any(value in shown for value in (TOKEN, "-100123", "hunter22"))
    assert isinstance(next(channels.entries()), Endpoint)
