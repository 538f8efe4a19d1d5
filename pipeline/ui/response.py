"""Answers of the pipeline's pages: self-contained HTML that may load and run nothing else."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from fastapi.responses import Response
from jinja2 import StrictUndefined, Template

from theme.pages import page_templates, policy

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
    """Allows a page what `theme` allows its own style sheet, and the UI around it.

    >>> content_policy(b"<head></head>").split("; ")[-1]
    "frame-ancestors 'self'"
    """
    # Names from the data stand in the body only, where they are escaped.
    style = _STYLE.search(page.partition(b"</head>")[0])
    return f"{policy(style[1].decode() if style else '')}; frame-ancestors 'self'"


def notice(
    title: str, *paragraphs: str, links: Mapping[str, str] | None = None, status: int = 200
) -> Response:
    """Answers with a few words where there is nothing to show, or nothing to be shown.

    Args:
        title: what is so.
        *paragraphs: why, and what to do.
        links: addresses of where to go on, by their names.
        status: of HTTP.
    """
    page = _template().render(title=title, paragraphs=paragraphs, links=links or {}, css="")
    return html(page.encode(), status)


@cache
def _template() -> Template:
    templates = page_templates(Path(__file__).parent, undefined=StrictUndefined)
    return templates.get_template("notice.html.jinja")
