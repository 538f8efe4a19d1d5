"""A page that shows messages as Telegram and Slack would: messages in, HTML out.

It loads nothing, has no script, and says at each message what a phone's notification shows.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from notifications.message import Message
from notifications.rendering import as_blocks, as_html
from notifications.sender import colour_of

_LINK: Final = re.compile(r"&lt;(https?://[^|\s]+?)\|(.+?)&gt;")
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; \
style-src 'unsafe-inline'">
<title>Messages of the regime model pipeline</title>
<style>
:root {{ color-scheme: light dark; --page: #f4f5f7; --ink: #16191f; --quiet: #59616e;
  --card: #fff; --telegram: #fff; --wall: #cfe3d0; --line: #d9dde3; --link: #1264a3; }}
@media (prefers-color-scheme: dark) {{ :root {{ --page: #14171c; --ink: #e8eaed; --quiet: #9aa3af;
  --card: #1d2127; --telegram: #212d3b; --wall: #0e1621; --line: #343a43; --link: #62b0e8; }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; padding: 1.5rem 1rem 3rem; background: var(--page); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; }}
main {{ max-width: 1240px; margin: 0 auto; }}
h1 {{ font-size: 1.4rem; margin: 0 0 .25rem; }}
h2 {{ font-size: 1.05rem; margin: 2.25rem 0 .75rem; }}
h3 {{ font-size: .75rem; margin: 0 0 .4rem; color: var(--quiet); text-transform: uppercase;
  letter-spacing: .06em; }}
p {{ margin: 0; color: var(--quiet); }}
a {{ color: var(--link); }}
.chats {{ display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, \
26rem), 1fr)); align-items: start; }}
.chat {{ border-radius: 10px; padding: .9rem; min-width: 0; }}
.telegram {{ background: var(--wall); }}
.slack {{ background: var(--card); border: 1px solid var(--line); }}
.bubble {{ background: var(--telegram); border-radius: 12px; padding: .6rem .8rem; }}
.text {{ white-space: pre-wrap; overflow-wrap: anywhere; }}
.bar {{ border-left: 4px solid; padding-left: .8rem; display: grid; gap: .6rem; }}
.head {{ font-size: 1.1rem; font-weight: 700; }}
.bubble img, .bar img {{ display: block; max-width: 100%; border-radius: 8px; margin-top: .5rem; }}
</style>
</head>
<body>
<main>
<h1>Messages</h1>
<p>As Telegram and Slack show them. The numbers are made up. A Slack
webhook takes no pictures, a Slack bot does.</p>
{messages}
</main>
</body>
</html>
"""


def preview_page(messages: Mapping[str, Message]) -> str:
    """The page of messages by the name that stands above each."""
    sections = (_section(name, message) for name, message in messages.items())
    return _PAGE.format(messages="\n".join(sections))


def _section(name: str, message: Message) -> str:
    pictures = "".join(
        f'<img alt="{escape(picture.caption)}" '
        f'src="data:image/png;base64,{b64encode(picture.content).decode()}">'
        for picture in message.pictures
    )
    slack = "".join(f'<div class="{kind} text">{text}</div>' for kind, text in _shown(message))
    return f"""<section>
<h2>{escape(name[:1].upper() + name[1:])}</h2>
<div class="chats">
<div class="chat telegram"><h3>Telegram</h3>
<div class="bubble"><div class="text">{as_html(message)}</div>{pictures}</div></div>
<div class="chat slack"><h3>Slack</h3>
<div class="bar" style="border-color: {colour_of(message.kind)}">{slack}{pictures}</div></div>
</div>
</section>"""


def _shown(message: Message) -> Iterator[tuple[str, str]]:
    """Slack's blocks as HTML, each with its class."""
    for block in as_blocks(message)["blocks"]:
        yield ("head" if block["type"] == "header" else "part"), _slack_text(block["text"])


def _slack_text(text: Mapping[str, Any]) -> str:
    # Slack's own escapes are HTML's; its links are in angle brackets that are not escaped.
    if text["type"] == "plain_text":
        return str(text["text"])
    marked = str(text["text"]).replace("<", "&lt;").replace(">", "&gt;")
    return _LINK.sub(r'<a href="\1">\2</a>', marked)
