"""What really arrives at a receiver, and what is said when it does not."""

import html
import logging
import socket

import pytest

from notifications.channels import Channels
from notifications.message import Message
from notifications.messages import failed, rejected
from notifications.sender import secrets, send
from tests.notifications.example_runs import failed_rule, gate_report

TOKEN = "123456789:AAE-abc_DEFghi"
WEBHOOK = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
BOT = "xoxb-1234-1234-4ddbc191d40ee098cbaae6f3523ada2d"
TELEGRAM = Channels(telegram_bot_token=TOKEN, telegram_admin_chat_id="-100123")
SLACK = Channels(slack_webhook_url=WEBHOOK)
SLACK_BOT = Channels(slack_bot_token=BOT, slack_channel="#ops")
ODD = "a <b> & x_y_ *z* `q` [w](v) &amp; <script>s</script> :smile: \\n"

MESSAGE = failed("train_model", ODD, None, {"Run": "http://af/run?a=1&b=x_y"})


def json_channels(receiver, rest=""):
    return Channels(apprise_urls=(f"json://{receiver.address}{rest}",))


def send_at_once(message, channels, tries=1):
    return send(message, channels, pauses=[0] * (tries - 1), sleep=lambda _: None)


def test_send_with_nothing_configured_returns_nothing():
    assert send(MESSAGE, Channels()) == ()


def test_send_to_json_delivers_the_text_unchanged(receiver):
    (delivery,) = send_at_once(MESSAGE, json_channels(receiver))
    assert (delivery.channel, delivery.delivered, delivery.detail) == (
        "APPRISE_URLS line 1",
        True,
        "",
    )
    (payload,) = receiver.payloads
    assert payload["message"] == MESSAGE.text
    assert payload["title"] == MESSAGE.title
    assert payload["type"] == "failure"


def test_send_to_telegram_delivers_escaped_text_with_its_blank_lines(chats):
    (delivery,) = send_at_once(MESSAGE, TELEGRAM)
    assert delivery.delivered
    (request,) = chats.requests
    assert request.path == f"/bot{TOKEN}/sendMessage"
    assert request.payload["parse_mode"] == "HTML"
    assert request.payload["chat_id"] == -100123
    text = request.payload["text"]
    escaped = html.escape(MESSAGE.text, quote=False)
    assert text.replace("\r\n", "\n") == escaped.replace(MESSAGE.title, f"<b>{MESSAGE.title}</b>")


def test_send_to_slack_webhook_delivers_escaped_text(chats):
    chats.answer = b"ok"
    (delivery,) = send_at_once(MESSAGE, SLACK)
    assert delivery.delivered
    (request,) = chats.requests
    assert request.path == "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    (attachment,) = request.payload["attachments"]
    header, lead, links = attachment["blocks"]
    assert header["text"]["text"] == MESSAGE.title
    assert lead["text"]["type"] == "plain_text"
    assert html.unescape(lead["text"]["text"]) == "\n".join(MESSAGE.lead)
    assert "<" not in lead["text"]["text"]
    assert links["text"]["text"] == "Run: http://af/run?a=1&amp;b=x_y"
    assert attachment["fallback"].startswith(f"{MESSAGE.title}\nTask: train_model\nError: a &lt;b")


def test_send_to_slack_bot_names_channel_and_authorises(chats):
    (delivery,) = send_at_once(MESSAGE, SLACK_BOT)
    assert delivery.delivered
    (request,) = chats.requests
    assert request.path == "/api/chat.postMessage"
    assert request.payload["channel"] == "#ops"
    assert request.headers["Authorization"] == f"Bearer {BOT}"


def test_send_to_telegram_with_long_message_stays_within_its_limit(chats):
    failed = tuple(failed_rule(f"rule {n}", "x" * 200, "🎯" * 200) for n in range(20))
    message = rejected(gate_report(250, failed), {"Run": "http://af/run"})
    send_at_once(message, TELEGRAM)
    (payload,) = chats.payloads
    assert len(payload["text"].replace("\r\n", "\n").encode("utf-16-le")) // 2 <= 4096
    assert payload["text"].endswith("Run: http://af/run")


@pytest.mark.parametrize(
    ("status", "reason", "requests"),
    [(500, "error=500", 3), (401, "error=401", 1), (0, "onnection error", 3)],
)
@pytest.mark.parametrize("channels", [TELEGRAM, SLACK, SLACK_BOT], ids=repr)
def test_send_to_failing_chat_reports_the_reason_without_secrets(
    chats, channels, status, reason, requests, caplog
):
    caplog.set_level(logging.DEBUG)
    chats.status = status
    (delivery,) = send_at_once(MESSAGE, channels, tries=3)
    assert not delivery.delivered
    assert reason in delivery.detail
    assert len(chats.requests) == requests
    assert_no_secret(channels, repr(delivery) + caplog.text)


def test_send_to_slack_bot_that_is_refused_tells_slacks_own_reason(chats):
    chats.answer = b'{"ok": false, "error": "not_in_channel"}'
    (delivery,) = send_at_once(MESSAGE, SLACK_BOT)
    assert not delivery.delivered
    assert "not_in_channel" in delivery.detail


def test_send_to_telegram_that_answers_with_the_token_masks_it(chats):
    chats.status = 404
    chats.answer = b'{"ok": false, "description": "no such bot: %s"}' % TOKEN.encode()
    (delivery,) = send_at_once(MESSAGE, TELEGRAM)
    assert "no such bot: ***" in delivery.detail
    assert_no_secret(TELEGRAM, delivery.detail)


def test_send_at_debug_level_logs_addresses_without_tokens(chats, caplog):
    caplog.set_level(logging.DEBUG)
    send_at_once(MESSAGE, TELEGRAM)
    assert "/bot***/sendMessage" in caplog.text
    assert_no_secret(TELEGRAM, caplog.text)


def test_send_at_default_level_adds_no_debug_lines(chats, caplog):
    send_at_once(MESSAGE, TELEGRAM)
    assert [line for line in caplog.records if line.levelno <= logging.DEBUG] == []
    assert logging.getLogger("apprise").level == logging.NOTSET


def test_send_with_one_channel_down_still_delivers_to_the_others(receiver, other_receiver):
    receiver.status = 500
    channels = Channels(
        apprise_urls=(f"json://{receiver.address}", f"json://{other_receiver.address}")
    )
    down, up = send_at_once(MESSAGE, channels)
    assert (down.delivered, up.delivered) == (False, True)
    assert len(other_receiver.requests) == 1


def test_send_with_two_urls_on_one_line_reports_each(receiver, other_receiver):
    other_receiver.status = 500
    line = f"json://{receiver.address}, json://{other_receiver.address}"
    deliveries = send_at_once(MESSAGE, Channels(apprise_urls=(line,)))
    assert [delivery.delivered for delivery in deliveries] == [True, False]


def test_send_to_receiver_that_recovers_is_delivered_once(receiver):
    receiver.failures = 2
    (delivery,) = send_at_once(MESSAGE, json_channels(receiver), tries=3)
    assert delivery.delivered
    assert len(receiver.requests) == 3


def test_send_to_two_chats_tries_only_the_failing_one_again(chats):
    chats.failures = 1
    channels = Channels(apprise_urls=(f"tgram://{TOKEN}/-1001/-1002/",))
    (delivery,) = send_at_once(MESSAGE, channels, tries=3)
    assert delivery.delivered
    assert [payload["chat_id"] for payload in chats.payloads] == [-1001, -1002, -1001]


def test_send_to_closed_port_reports_it():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        channels = Channels(apprise_urls=(f"json://127.0.0.1:{port}",))
        (delivery,) = send_at_once(MESSAGE, channels)
    assert not delivery.delivered
    assert "refused" in delivery.detail


def test_send_to_optional_service_that_fails_is_not_called_delivered(receiver):
    receiver.status = 500
    (delivery,) = send_at_once(MESSAGE, json_channels(receiver, "/?optional=yes"))
    assert not delivery.delivered


def test_send_with_half_configured_channel_reports_it_and_delivers_to_the_others(receiver):
    channels = Channels(telegram_bot_token=TOKEN, apprise_urls=(f"json://{receiver.address}",))
    telegram, generic = send_at_once(MESSAGE, channels)
    assert telegram.channel == "Telegram"
    assert not telegram.delivered
    assert "TELEGRAM_ADMIN_CHAT_ID" in telegram.detail
    assert generic.delivered


@pytest.mark.parametrize(
    "url",
    ["tgram://123:", "tgram://s3cretvalue", "https://example.com/s3cretvalue"],
)
def test_url_that_apprise_refuses_is_a_problem_naming_its_line(url, caplog):
    caplog.set_level(logging.DEBUG)
    channels = Channels(apprise_urls=("", url), apprise_default=((url, "ops"),))
    sent = send_at_once(MESSAGE, channels)
    assert [(delivery.delivered, delivery.detail) for delivery in sent] == [
        (False, "APPRISE_URLS line 2 is not an address Apprise accepts"),
        (False, "the connection apprise_default (ops) is not an address Apprise accepts"),
    ]
    assert "s3cret" not in caplog.text


def test_slack_webhook_that_is_no_webhook_is_a_problem_naming_the_variable():
    channels = Channels(slack_webhook_url="https://hooks.example.com/services/T1/B2/s3cret")
    (delivery,) = send_at_once(MESSAGE, channels)
    assert delivery.detail == "SLACK_WEBHOOK_URL is not an address Apprise accepts"


def test_secrets_hold_every_token_and_nothing_public():
    channels = Channels(
        telegram_bot_token=TOKEN,
        telegram_admin_chat_id="-1001234567",
        slack_webhook_url=WEBHOOK,
        apprise_urls=("json://alerts:p%40ss-w0rd@localhost:8080/hooks/a1b2c3d4e5f6",),
        apprise_default=(("slack://" + BOT + "/%23ops", "ops"),),
    )
    found = secrets(channels)
    expected = {TOKEN, "AAE-abc_DEFghi", WEBHOOK, "TIiajkdnlazkcOXrIdevi7FQ", BOT}
    assert expected | {"p@ss-w0rd", "p%40ss-w0rd", "a1b2c3d4e5f6"} <= set(found)
    assert not {"-1001234567", "localhost", "localhost:8080", "alerts", "#ops", ""} & set(found)
    assert list(found) == sorted(found, key=len, reverse=True)


def test_send_with_token_in_an_error_text_masks_it(receiver):
    message = failed("train_model", f"GET /bot{TOKEN}/getMe failed")
    channels = Channels(telegram_bot_token=TOKEN, apprise_urls=(f"json://{receiver.address}",))
    send_at_once(message, channels)
    assert "GET /bot***/getMe failed" in receiver.payloads[0]["message"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("deployed", "success"), ("kept", "info"), ("rejected", "failure")],
)
def test_send_of_each_kind_tells_its_severity(receiver, kind, expected):
    send_at_once(Message(kind, "Title", ("Line",)), json_channels(receiver))
    assert receiver.payloads[0]["type"] == expected


def assert_no_secret(channels, text):
    assert not [secret for secret in secrets(channels) if secret in text]
