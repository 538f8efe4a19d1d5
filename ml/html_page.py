"""Renders pages that ask the network for nothing: a template, its style sheet, and their policy."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import ChainableUndefined, Environment, FileSystemLoader
from markupsafe import Markup

from ml.wording import baseline, number, percent, points, visible, when

_FOLDER: Final = Path(__file__).parent


def render(template: str, sheets: Sequence[str], **variables: Any) -> bytes:
    """Renders a page; what is given is escaped.

    Args:
        template: file beside this one; its policy names `css_hash`, its only style is `css`.
        sheets: files that make the style sheet, one after the other.
        **variables: what the template shows.
    """
    css = "".join(_sheet(name) for name in sheets)
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    page = _environment().get_template(template).render(variables, css=css, css_hash=digest)
    return page.encode()


def breakable(name: Any) -> Markup:
    """A name, escaped, that may go on in a new line after each underscore.

    >>> str(breakable("ema_9<"))
    'ema_<wbr>9&lt;'
    """
    return Markup("_<wbr>").join(visible(str(name)).split("_"))


@cache
def _sheet(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=ChainableUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "points": points,
        "when": when,
        "number": number,
        "baseline": baseline,
        "breakable": breakable,
        "length_of": lambda share: f"{100 * min(max(share, 0), 1):.2f}%" if share else "0",
    }
    return environment
