"""The ML Test Score: what proves each of its 28 tests, run or looked up, and the points.

    python -m benchmarks.score

Breck, Cai, Nielsen, Salib and Sculley, The ML Test Score (IEEE Big Data, 2017): a test that runs by
itself on a repeated basis is worth a point, one that a person does and writes down half a point;
the score is the least of the four sections' sums. `score.toml` maps each test to what proves it.
"""

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from benchmarks.results import RESULTS, read_aims

MAP: Final = Path(__file__).with_name("score.toml")
REPOSITORY: Final = Path(__file__).resolve().parent.parent
SECTIONS: Final = ("data", "model", "infrastructure", "monitoring")
_BANDS: Final = (
    (5, "exceptional levels of automated testing and monitoring"),
    (3, "strong levels of automated testing and monitoring"),
    (2, "reasonably tested"),
    (1, "a first pass at basic productionization"),
    (0, "not totally untested"),
)


@dataclass(frozen=True)
class Proof:
    """One of the 28 tests, and what proves that it is done.

    Attributes:
        section: one of `SECTIONS`.
        name: the test, in the paper's words.
        tests: pytest's ids, of which each must pass.
        aims: beginnings of aims of RESULTS.md, each of which must be there and met.
        manual: the document by which a person does it; half a point.
    """

    section: str
    name: str
    tests: tuple[str, ...] = ()
    aims: tuple[str, ...] = ()
    manual: str | None = None

    def missing(
        self, passed: Collection[str], met: Sequence[str], root: Path = REPOSITORY
    ) -> Iterator[str]:
        """What of the proof does not hold."""
        yield from (f"{test} did not pass" for test in self.tests if test not in passed)
        for start in self.aims:
            if not any(aim.startswith(start) for aim in met):
                yield f"no met aim begins with {start!r}"
        if self.manual and not _is_written(self.manual, root):
            yield f"there is no {self.manual}"
        if not (self.tests or self.aims or self.manual):
            yield "nothing proves it"

    @property
    def worth(self) -> float:
        """Points where the proof holds."""
        return 1.0 if self.tests or self.aims else 0.5


def _is_written(place: str, root: Path) -> bool:
    """Whether a document has the heading of an address such as `docs/a.md#by-hand`."""
    file, _, anchor = place.partition("#")
    if not (root / file).is_file():
        return False
    lines = (root / file).read_text(encoding="utf-8").splitlines()
    headings = (line.lstrip("# ").lower() for line in lines if line.startswith("#"))
    return anchor in {re.sub(r"[^\w -]", "", heading).replace(" ", "-") for heading in headings}


def read_map(file: Path = MAP) -> tuple[float, tuple[Proof, ...]]:
    """Reads what proves each test.

    Returns:
        The least score that may come out, and the proofs in the order of the file.

    Raises:
        ValueError: if a section does not have its seven tests.
    """
    given = tomllib.loads(file.read_text(encoding="utf-8"))
    proofs = tuple(_proof(section, entry) for section in SECTIONS for entry in given[section])
    for section in SECTIONS:
        count = sum(proof.section == section for proof in proofs)
        if count != 7:
            raise ValueError(f"{file}: the section {section} has {count} tests and not seven")
    return float(given["least"]), proofs


def _proof(section: str, entry: Mapping[str, Any]) -> Proof:
    tests, aims = tuple(entry.get("tests", ())), tuple(entry.get("aims", ()))
    return Proof(section, entry["name"], tests, aims, entry.get("manual"))


def run_tests(tests: Sequence[str], root: Path = REPOSITORY) -> set[str]:
    """Runs tests, also those that take long, and returns the ids of those that passed.

    A parametrised test passes when all its cases do.
    """
    there = [test for test in tests if is_there(test, root)]
    if not there:
        return set()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", f"--junitxml={report}"]
        environment = os.environ | {"FULL": "1"}
        subprocess.run([*command, *there], cwd=root, env=environment, check=False)
        cases = ElementTree.parse(report).getroot().iter("testcase")  # noqa: S314 - pytest's own
        good: dict[str, bool] = {}
        for case in cases:
            test = f"{str(case.get('classname')).replace('.', '/')}.py::{case.get('name')}"
            name = test.partition("[")[0]
            good[name] = good.get(name, True) and not len(case.findall("*[@message]"))
    return {test for test in there if good.get(test)}


def is_there(test: str, root: Path = REPOSITORY) -> bool:
    """Whether the test of a pytest id is written."""
    file, _, name = test.partition("::")
    place = root / file
    return place.is_file() and f"def {name}(" in place.read_text(encoding="utf-8")


def points(
    proofs: Sequence[Proof], passed: Collection[str], met: Sequence[str], root: Path = REPOSITORY
) -> dict[Proof, tuple[float, list[str]]]:
    """Points of each test, and what is missing where there are none."""
    found = {proof: list(proof.missing(passed, met, root)) for proof in proofs}
    return {proof: (0.0 if gone else proof.worth, gone) for proof, gone in found.items()}


def score_of(scored: Mapping[Proof, tuple[float, list[str]]]) -> dict[str, float]:
    """The sum of each section."""
    return {
        section: sum(share for proof, (share, _) in scored.items() if proof.section == section)
        for section in SECTIONS
    }


def lines_of(scored: Mapping[Proof, tuple[float, list[str]]]) -> Iterator[str]:
    """The table that is printed."""
    sums = score_of(scored)
    for section in SECTIONS:
        yield f"\n{section}: {sums[section]:g} of 7"
        for proof, (share, gone) in scored.items():
            if proof.section == section:
                by = [*proof.tests, *proof.aims] or [f"manual: {proof.manual}"]
                yield f"  {share:>3g}  {proof.name}: {'; '.join(gone) or '; '.join(by)}"
    least = min(sums.values())
    band = next(words for above, words in _BANDS if least > above or above == 0)
    yield f"\nML Test Score: {least:g} ({band})"


def main() -> int:
    """Prints the score; 1 if it has fallen below what `score.toml` asks for."""
    least, proofs = read_map()
    passed = run_tests([test for proof in proofs for test in proof.tests])
    met = [aim.what for aim in read_aims(RESULTS.read_text(encoding="utf-8")) if aim.met]
    scored = points(proofs, passed, met)
    print(*lines_of(scored), sep="\n")
    found = min(score_of(scored).values())
    if found < least:
        print(f"error: the score is {found:g}, and {least:g} are asked for", file=sys.stderr)
    return int(found < least)


if __name__ == "__main__":
    sys.exit(main())
