"""Keeps RESULTS.md: one section a benchmark, replaced when that benchmark runs again.

The section "Aims" gathers from all others which aims are met.
"""

import re
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
_HEAD = "# Results\n\nWritten by the benchmarks; each section names its command.\n\n## Aims\n"


_AIM = re.compile(r"^- (?:met|\*\*missed\*\*): .*$", re.MULTILINE)


def put_section(title: str, body: str, file: Path = RESULTS) -> None:
    """Writes a section in place of its former self, or at the end."""
    text = file.read_text(encoding="utf-8") if file.exists() else _HEAD
    text = _with_section(text, "Aims", "")
    text = _with_section(text, title, body)
    aims = "\n".join(_AIM.findall(text))
    file.write_text(_with_section(text, "Aims", aims), encoding="utf-8")


def _with_section(text: str, title: str, body: str) -> str:
    section = f"## {title}\n\n{body.strip()}\n"
    former = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    if former.search(text):
        return former.sub(lambda _: f"{section}\n", text).rstrip() + "\n"
    return f"{text.rstrip()}\n\n{section}"
