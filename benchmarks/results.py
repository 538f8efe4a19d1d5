"""Keeps RESULTS.md: one section a benchmark, replaced when that benchmark runs again.

The section "Aims" is a table of the aims of all others.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import table_of

RESULTS = Path(__file__).with_name("RESULTS.md")
_HEAD = "# Results\n\nWritten by the benchmarks; each section names its command.\n\n## Aims\n"
_SECTION = re.compile(r"^## (.*)\n((?:(?!## ).*\n?)*)", re.MULTILINE)
_AIM = re.compile(
    r"^- (met|\*\*missed\*\*): (.*): (\S+) \(aim ([≤≥]) ([^\s;)]+)"
    r"(?:; × limit ([^\s;)]+))?(?:; × ([^;\n]+) ([^\s;)]+))?\)$",
    re.MULTILINE,
)
_NOTE = """\
`of the aim`: the figure over what is aimed at, where that is above zero; `× limit`: how many times
as much ours takes as what cannot be saved (the query alone, one fit, an empty DAG, the matrix);
`best peer`: how many times as much as ours the best other way takes, of those that the benchmark
measured. Empty where there is none."""


@dataclass(frozen=True)
class Aim:
    """A line that `measuring.aim` wrote, in the section of its benchmark; figures as written."""

    section: str
    met: bool
    what: str
    found: str
    sign: str
    bound: str
    limit: str
    peer: str
    times: str

    @property
    def share(self) -> str:
        """What was found over what is aimed at; empty where that says nothing."""
        found, bound = float(self.found), float(self.bound)
        return f"{found / bound:.2g}" if bound > 0 <= found else ""


def read_aims(text: str) -> Iterator[Aim]:
    """Reads the aims of every section."""
    for title, body in _SECTION.findall(text):
        for state, *others in _AIM.findall(body):
            yield Aim(title, state == "met", *others)


def put_section(title: str, body: str, file: Path = RESULTS) -> None:
    """Writes a section in place of its former self, or at the end."""
    text = file.read_text(encoding="utf-8") if file.exists() else _HEAD
    text = _with_section(text, title, body)
    file.write_text(_with_section(text, "Aims", _table(text)), encoding="utf-8")


def _table(text: str) -> str:
    aims = list(read_aims(text))
    cells = [
        (
            "" if before and aim.section == before.section else aim.section,
            aim.what,
            aim.found,
            f"{aim.sign} {aim.bound}",
            aim.share,
            aim.limit,
            f"{aim.peer} {aim.times}".strip(),
            "met" if aim.met else "**missed**",
        )
        for before, aim in zip([None, *aims], aims, strict=False)
    ]
    heads = ("benchmark", "what", "measured", "aim", "of the aim", "× limit", "best peer", "")
    met = sum(aim.met for aim in aims)
    return f"{met} of {len(aims)} are met.\n\n{table_of(heads, cells)}\n\n{_NOTE}"


def _with_section(text: str, title: str, body: str) -> str:
    section = f"## {title}\n\n{body.strip()}\n"
    former = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    if former.search(text):
        return former.sub(lambda _: f"{section}\n", text).rstrip() + "\n"
    return f"{text.rstrip()}\n\n{section}"
