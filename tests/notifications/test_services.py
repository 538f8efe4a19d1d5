"""What arrives at Telegram and Slack, byte for byte, and what happens when they do not take it.

`REGIME_APPROVE=1 pytest tests/notifications/test_services.py` renews the approved files; the
difference is then for a person to read.
"""

import html
import json
import logging
import os
import re
import threading
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from notifications import patience, sender
from notifications import services as opening
from notifications.channels import Channels
from notifications.message import Picture
from notifications.messages import failed, rejected
from notifications.patience import PAUSES, WITHIN
from notifications.samples import sample_messages
from notifications.sender import secrets, send
from tests.notifications.chat_services import USUAL, Answer, mail_server
from tests.notifications.example_runs import class_count, failed_rule, gate_report

APPROVED = Path(__file__).parent / "approved"
TOKEN = "123456789:AAE-abc_DEFghi"
WEBHOOK = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
BOT = "xoxb-1234-1234-4ddbc191d40ee098cbaae6f3523ada2d"
TELEGRAM = Channels(telegram_bot_token=TOKEN, telegram_admin_chat_id="-100123")
SLACK = Channels(slack_webhook_url=WEBHOOK)
SLACK_BOT = Channels(slack_bot_token=BOT, slack_channel="#ops")
CHATS = {"telegram": TELEGRAM, "slack": SLACK, "slack_bot": SLACK_BOT}
each_chat = pytest.mark.parametrize("channels", CHATS.values(), ids=CHATS)

ODD = (
    "a <b>&lt;&amp; x_y_ *z* ~s~ `q` ```code``` [w](v) <script>s</script> <!channel> <@U1> :smile: "
    "{{app_id}} {{{app_title}}} \\n 🎯 👩‍👩‍👧 \u202e end"
)
PICTURE = Picture("confusion_matrix.png", b"\x89PNG\r\n\x1a\n pixels")


def odd_message():
    rule = failed_rule(ODD, ODD[:60], ODD[60:], {"label": ODD})
    report = gate_report(3, (rule,), (class_count(ODD, 3),))
    return rejected(report, {"Run": "http://a.b"})


def long_message():
    row = {"row": "row " * 30}
    rules = tuple(failed_rule(f"rule {n}", "<&" * 40, "🎯" * 100, row) for n in range(19))
    return rejected(gate_report(3, rules), {"Run": "https://airflow.example.com/r?a=1&b=2"})


MESSAGES = {
    **sample_messages(),
    "odd data": odd_message(),
    "long report": long_message(),
    "long error": failed("train_model", "word <&> " * 1111, "Try again. " * 99),
}


def deliver(message, channels, **options):
    slept = []
    options.setdefault("pauses", [])
    (delivery,) = send(message, channels, sleep=slept.append, **options)
    return delivery, slept


def approve(name, content):
    """Compares with an approved file, or writes it."""
    file = APPROVED / name
    if os.environ.get("REGIME_APPROVE"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    assert content == file.read_bytes()


@pytest.mark.parametrize("name", MESSAGES)
def test_text_is_the_approved_one(name):
    approve(f"text/{name.replace(' ', '_')}.txt", MESSAGES[name].text.encode())


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("chat", CHATS)
def test_what_arrives_is_byte_for_byte_the_approved(services, chat, name):
    delivery, _ = deliver(MESSAGES[name], CHATS[chat])
    assert (delivery.delivered, delivery.detail) == (True, "")
    (request,) = services.arrived
    approve(f"{chat}/{name.replace(' ', '_')}.json", request.body)


def visible_in_telegram(text):
    assert re.sub(r"</?b>|<a href=\"[^<>\"]*\">|</a>", "", text).count("<") == 0
    return html.unescape(re.sub(r"</?b>|</?a[^>]*>", "", text)).replace("\r\n", "\n")


def visible_in_slack(payload):
    (attachment,) = payload["attachments"]
    texts = [block["text"] for block in attachment["blocks"]]
    assert all(len(text["text"]) <= 3000 for text in texts)
    return [html.unescape(text["text"]) for text in texts if text["type"] == "plain_text"]


@pytest.mark.parametrize("name", MESSAGES)
def test_fixed_lines_are_readable_word_for_word_in_every_chat(services, name):
    message = MESSAGES[name]
    for channels in (TELEGRAM, SLACK):
        deliver(message, channels)
    telegram, slack = (request.payload for request in services.arrived)
    fixed = "\n".join((message.title, "", *message.lead))
    text = visible_in_telegram(telegram["text"])
    assert text.startswith(fixed)
    assert len(text.replace("\n", "\r\n").encode("utf-16-le")) // 2 <= 4096
    assert visible_in_slack(slack)[:2] == [message.title, "\n".join(message.lead)]
    for link in message.links:
        assert link.name in text
        assert link.address in html.unescape(telegram["text"])
        assert link.address in html.unescape(json.dumps(slack))


def test_values_from_data_are_shown_as_they_are(services):
    message = odd_message()
    for channels in (TELEGRAM, SLACK):
        deliver(message, channels)
    telegram, slack = (request.payload for request in services.arrived)
    assert f"• {ODD[:60]}" in visible_in_telegram(telegram["text"])
    assert "\n".join(message.details) == visible_in_slack(slack)[2]
    assert "<!channel>" not in json.dumps(slack)


def test_cut_text_ends_at_a_line_and_keeps_the_links(services):
    deliver(long_message(), TELEGRAM)
    text = services.arrived[0].payload["text"].replace("\r\n", "\n")
    assert '\n… shortened\n\n<a href="https://airflow.example.com/r?a=1&amp;b=2">Run</a>' in text
    whole = set(long_message().details)
    details = visible_in_telegram(text).split("retry.\n\n")[1].split("\n… shortened")[0]
    assert set(details.split("\n")) <= whole


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(500, b"oops"), "error=500"),
        (Answer(429, b'{"ok": false, "error": "ratelimited"}'), "error=429"),
        (Answer(0), "onnection"),
        (Answer(after=0.5), "onnection"),
    ],
    ids=["500", "429", "reset", "time-out"],
)
@each_chat
def test_passing_trouble_is_tried_again_with_longer_pauses(
    services, channels, answer, reason, monkeypatch, caplog
):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(opening, "ANSWER_SECONDS", 0.1)
    monkeypatch.setattr("apprise.URLBase.socket_read_timeout", 0.1)
    services.script = [answer] * 5
    delivery, slept = deliver(MESSAGES["deployed"], channels, pauses=PAUSES)
    assert (delivery.delivered, len(services.arrived)) == (False, 5)
    assert tuple(slept) == PAUSES
    assert sum(slept) < WITHIN - 20
    assert reason in delivery.detail
    assert not [secret for secret in secrets(channels) if secret in delivery.detail + caplog.text]


@each_chat
def test_chat_that_recovers_gets_the_message_once(services, channels):
    services.script = [Answer(500), Answer(0)]
    delivery, slept = deliver(MESSAGES["deployed"], channels, pauses=PAUSES)
    assert delivery.delivered
    assert (len(services.arrived), slept) == (3, [2, 10])


def test_pause_is_as_long_as_telegram_asks(services):
    body = (
        b'{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 37",'
        b'"parameters":{"retry_after":37}}'
    )
    services.script = [Answer(429, body, (("Retry-After", "37"),))]
    delivery, slept = deliver(MESSAGES["deployed"], TELEGRAM, pauses=PAUSES)
    assert (delivery.delivered, slept) == (True, [37])


@pytest.mark.parametrize(
    ("channels", "answer", "reason"),
    [
        (TELEGRAM, Answer(401, b'{"ok":false,"description":"Unauthorized"}'), "Unauthorized"),
        (TELEGRAM, Answer(400, b'{"description":"chat not found"}'), "chat not found"),
        (SLACK, Answer(404, b"no_service"), "no_service"),
        (SLACK_BOT, Answer(200, b'{"ok":false,"error":"invalid_auth"}'), "invalid_auth"),
    ],
)
def test_wrong_token_or_chat_is_told_at_once(services, channels, answer, reason, caplog):
    caplog.set_level(logging.DEBUG)
    services.script = [answer] * 9
    delivery, slept = deliver(MESSAGES["deployed"], channels, pauses=PAUSES)
    assert (delivery.delivered, len(services.arrived), slept) == (False, 1, [])
    assert reason in delivery.detail
    assert not [secret for secret in secrets(channels) if secret in delivery.detail + caplog.text]


@each_chat
@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"<html>Please log in</html>"),
        Answer(200, b'{"ok": false}'),
        Answer(200, b"[" * 10_000),
        Answer(302, b"", (("Location", "https://slack.com/portal"),)),
        Answer(200, b"x" * 1_100_000),
    ],
    ids=["portal", "another yes", "deep", "redirect", "endless"],
)
def test_answer_that_is_no_yes_of_the_chat_is_no_delivery(services, channels, answer, caplog):
    caplog.set_level(logging.DEBUG)
    services.script = [answer]
    delivery, _ = deliver(MESSAGES["deployed"], channels)
    assert not delivery.delivered
    assert len(services.arrived) == 1
    assert delivery.detail
    assert not [secret for secret in secrets(channels) if secret in delivery.detail + caplog.text]


def test_answer_without_end_is_read_no_further_than_a_megabyte(services):
    services.script = [Answer(200, bytes(300_000_000))]
    tracemalloc.start()
    delivery, _ = deliver(MESSAGES["deployed"], TELEGRAM)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "longer than 1,000,000 bytes" in delivery.detail
    assert peak < 400_000_000  # the server's own answer, and little else


@each_chat
def test_chat_that_is_down_for_seventy_seconds_gets_the_message_before_the_verdict(
    services, channels
):
    services.by_path = dict.fromkeys(USUAL, Answer(502))
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if sum(slept) > 70:
            services.by_path = {}

    (delivery,) = send(MESSAGES["deployed"], channels, sleep=sleep)
    assert delivery.delivered
    assert 70 < sum(slept) <= WITHIN - 20


def test_tries_end_in_time_and_nothing_goes_on_afterwards(services, monkeypatch):
    monkeypatch.setattr(patience, "_A_TRY", 0.2)
    services.by_path = {"/sendMessage": Answer(500)}
    before, began = threading.active_count(), time.monotonic()
    # All of its pauses would be 15 seconds.
    (delivery,) = send(MESSAGES["deployed"], TELEGRAM, pauses=[0.3] * 50, within=1.0)
    assert not delivery.delivered
    assert 2 <= len(services.arrived) <= 4
    # Nobody's thread, such as one that Apprise has stopped waiting for.
    while threading.active_count() > before and time.monotonic() - began < 7:
        time.sleep(0.05)
    assert threading.active_count() == before
    assert time.monotonic() - began < 7
    assert len(services.arrived) <= 4


def test_pause_that_telegram_asks_for_beyond_the_time_ends_the_tries(services):
    body = b'{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 3700"}'
    services.script = [Answer(429, body)]
    delivery, slept = deliver(MESSAGES["deployed"], TELEGRAM, pauses=PAUSES)
    assert (delivery.delivered, slept, len(services.arrived)) == (False, [], 1)
    assert "retry after 3700" in delivery.detail


def test_mail_server_that_refuses_the_password_is_told_at_once():
    with mail_server(b"535 5.7.8 Authentication credentials invalid") as (port, logins):
        url = f"mailto://user:pass@127.0.0.1:{port}/?mode=insecure&from=a@example.com&to=d@example.com"
        delivery, slept = deliver(
            MESSAGES["deployed"], Channels(apprise_urls=(url,)), pauses=PAUSES
        )
    assert (delivery.delivered, len(logins), slept) == (False, 1, [])
    assert "535" in delivery.detail


def test_channel_that_is_down_does_not_delay_the_others(services):
    services.by_path = {"/sendMessage": Answer(500)}
    channels = replace(TELEGRAM, slack_webhook_url=WEBHOOK)
    slack_has_it = threading.Event()
    services.on_arrival = lambda request: request.host.startswith("hooks") and slack_has_it.set()
    in_time = []

    def sleep(_seconds):
        in_time.append(slack_has_it.wait(10))

    telegram, slack = send(MESSAGES["deployed"], channels, pauses=[1], sleep=sleep)
    assert (telegram.delivered, slack.delivered) == (False, True)
    assert in_time == [True]


def test_picture_arrives_as_a_photo_in_telegram_after_the_text(services):
    delivery, _ = deliver(replace(MESSAGES["deployed"], pictures=(PICTURE,)), TELEGRAM)
    assert (delivery.delivered, delivery.detail) == (True, "")
    assert services.paths == ["sendMessage", "sendPhoto"]
    photo = services.arrived[1].body
    assert PICTURE.content in photo
    assert b'filename="confusion_matrix.png"' in photo
    assert b"Confusion matrix" in photo


def test_picture_arrives_as_a_file_from_a_slack_bot_and_not_from_a_webhook(services):
    message = replace(MESSAGES["deployed"], pictures=(PICTURE,))
    delivery, _ = deliver(message, SLACK_BOT)
    assert (delivery.delivered, delivery.detail) == (True, "")
    text, caption, place, upload, shown = services.arrived
    assert "Training Complete" in text.body.decode()
    (attachment,) = caption.payload["attachments"]
    assert attachment["blocks"][0]["elements"][0]["text"] == "Confusion matrix"
    assert "length=15" in place.path
    assert PICTURE.content in upload.body
    assert shown.payload["channel_id"] == "C0123"
    services.arrived.clear()
    assert deliver(message, SLACK)[0].delivered
    assert len(services.arrived) == 1


@pytest.mark.parametrize(
    ("picture", "problem"),
    [
        (Picture("confusion_matrix.png", b""), "it has 0.0 MB"),
        (Picture("confusion_matrix.png", bytes(10_100_000)), "it has 10.1 MB"),
    ],
    ids=["empty", "oversized"],
)
def test_picture_that_cannot_be_sent_costs_only_itself(services, picture, problem):
    message = replace(MESSAGES["deployed"], pictures=(picture, PICTURE))
    delivery, _ = deliver(message, TELEGRAM)
    assert delivery.delivered
    assert delivery.detail.startswith(f"without confusion_matrix.png: {problem}")
    assert services.paths == ["sendMessage", "sendPhoto"]


@pytest.mark.parametrize(
    ("channels", "part"),
    [(TELEGRAM, "/sendPhoto"), (SLACK_BOT, "/api/files.getUpload"), (SLACK_BOT, "/upload/F1")],
)
def test_picture_that_is_refused_costs_only_itself_and_the_text_comes_once(
    services, channels, part
):
    services.by_path = {part: Answer(413, b'{"ok": false, "error": "too_large"}')}
    message = replace(MESSAGES["deployed"], pictures=(PICTURE,))
    delivery, _ = deliver(message, channels, pauses=PAUSES)
    assert delivery.delivered
    assert "without confusion_matrix.png" in delivery.detail
    assert "error=413" in delivery.detail
    texts = [request for request in services.arrived if b"Training Complete" in request.body]
    assert len(texts) == 1


def test_defect_of_a_plug_in_is_told_without_its_secrets_and_not_raised(services, monkeypatch):
    def broken(*_args, **_kwargs):
        raise RuntimeError(f"https://api.telegram.org/bot{TOKEN}/sendMessage")

    monkeypatch.setattr(sender, "as_html", broken)
    delivery, _ = deliver(MESSAGES["deployed"], TELEGRAM)
    assert delivery.detail == "RuntimeError: https://api.telegram.org/bot***/sendMessage"
    assert (delivery.delivered, services.arrived) == (False, [])
