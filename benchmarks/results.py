"""Keeps RESULTS.md: one section a benchmark, replaced when that benchmark runs again."""

import re
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
_HEAD = "# Results\n\nWritten by the benchmarks; each section names its command.\n"


def put_section(title: str, body: str, file: Path = RESULTS) -> None:
    """Writes a section in place of its former self, or at the end."""
    text = file.read_text(encoding="utf-8") if file.exists() else _HEAD
    section = f"## {title}\n\n{body.strip()}\n"
    former = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    if former.search(text):
        text = former.sub(lambda _: f"{section}\n", text).rstrip() + "\n"
    else:
        text = f"{text.rstrip()}\n\n{section}"
    file.write_text(text, encoding="utf-8")
