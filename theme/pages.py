"""What every page begins with: Airflow's colours, the script that follows its theme, a policy."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader

_FOLDER: Final = Path(__file__).parent


def page_templates(folder: Path, **options: Any) -> Environment:
    """Templates that extend `page.html.jinja`; what they are given is escaped.

    Args:
        folder: where they lie.
        **options: of Jinja's environment.

    Returns:
        an environment whose pages are rendered with `css`, what they add to `theme.css`.
    """
    loader = FileSystemLoader([folder, _FOLDER])
    environment = Environment(loader=loader, autoescape=True, **options)
    environment.globals |= {
        "theme": _file("theme.css"),
        "script": _file("theme.js"),
        "policy": policy,
    }
    return environment


def policy(style: str) -> str:
    """Allows a page one style sheet, pictures within it and our own script; nothing else.

    Args:
        style: the sheet. A script that a page brings is never asked for: only ours runs.

    >>> policy("a {}").split("; ")[0]
    "default-src 'none'"
    """
    return (
        f"default-src 'none'; script-src {_source(_file('theme.js'))}; style-src {_source(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _file(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
