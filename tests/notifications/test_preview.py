"""The page that shows the messages, in a real browser with the network closed."""

import os
import re
from pathlib import Path

import pytest

from expectations.docs.balance_picture import class_balance_png
from expectations.run_record import ClassCount
from notifications.channels import Channels
from notifications.message import Picture
from notifications.messages import failed
from notifications.preview import preview_page
from notifications.samples import sample_messages
from notifications.sender import send

pytestmark = pytest.mark.slow

SHOTS = os.environ.get("PREVIEW_SCREENSHOTS")
"""Folder to keep the screenshots in, for people to look at."""


@pytest.fixture(scope="module")
def messages():
    picture = Picture("class_balance.png", class_balance_png((ClassCount("a", 3, 1, 0, ""),), "x"))
    odd = "<script>alert(1)</script> <http://a.b|c> & {x}"
    page = {"Run": "https://a.b/?x='\"><script>alert(2)</script>|&y"}
    return {
        **sample_messages({"rejected": picture}),
        "odd": failed("train_model", odd, "Look.", page),
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_page_fits_shows_every_message_twice_and_asks_for_nothing(
    chromium, tmp_path, messages, width, scheme
):
    file = tmp_path / "messages.html"
    file.write_text(preview_page(messages), encoding="utf-8")
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, requests, said = context.new_page(), [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(file.as_uri(), wait_until="networkidle")
    assert [url for url in requests if not url.startswith("data:")] == [file.as_uri()]
    assert said == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    for chat in (".telegram", ".slack"):
        shown = [re.sub(r"\s+", " ", text) for text in page.locator(chat).all_inner_texts()]
        for text, message in zip(shown, messages.values(), strict=True):
            lines = (message.title, *message.lead, *message.details)
            assert [line for line in lines if line not in text] == []
    assert page.locator("a", has_text="Run").count() == 2 * sum(
        any(link.name == "Run" for link in message.links) for message in messages.values()
    )
    content = page.screenshot(full_page=True)
    if SHOTS:
        Path(SHOTS, f"messages-{width}-{scheme}.png").write_bytes(content)
    context.close()


def test_page_has_the_colours_that_slack_is_sent(services):
    page = preview_page(sample_messages())
    for message in sample_messages().values():
        send(message, Channels(slack_webhook_url="https://hooks.slack.com/services/T1/B2/c3"))
    sent = [r.payload["attachments"][0]["color"] for r in services.arrived]
    assert re.findall("border-color: (#[0-9A-F]+)", page) == sent
