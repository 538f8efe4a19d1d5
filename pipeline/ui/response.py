"""Answers of the pipeline's pages: self-contained HTML that may load and run nothing else."""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Final

from fastapi.responses import Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

_STYLE: Final = re.compile(rb"<style>(.*?)</style>", re.DOTALL)


def html(content: bytes, status: int = 200) -> Response:
    """Answers with a page.

    Args:
        content: a page whose styles stand in one `<style>` of its head.
        status: of HTTP.
    """
    return Response(
        content,
        status,
        media_type="text/html; charset=utf-8",
        headers={
            "Content-Security-Policy": content_policy(content),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            # Pages change with every run, and a log-out must end them.
            "Cache-Control": "no-store",
        },
    )


def content_policy(page: bytes) -> str:
    """Allows a page its own style sheet, pictures within it and the UI around it; nothing else.

    >>> content_policy(b"<head></head>").split("; ")[:2]
    ["default-src 'none'", "style-src 'none'"]
    """
    # Names from the data stand in the body only, where they are escaped.
    style = _STYLE.search(page.partition(b"</head>")[0])
    allowed = "'none'"
    if style:
        digest = base64.b64encode(hashlib.sha256(style[1]).digest()).decode()
        allowed = f"'sha256-{digest}'"
    return (
        f"default-src 'none'; style-src {allowed}; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'self'"
    )


def notice(title: str, *paragraphs: str, status: int = 200) -> Response:
    """Answers with a few words where there is nothing to show, or nothing to be shown."""
    page = _template().render(title=title, paragraphs=paragraphs)
    return html(page.encode(), status)


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("notice.html.jinja")
