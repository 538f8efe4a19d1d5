"""The table of the protocols, at a small size: the numbers must agree, whatever the seconds are."""

from pathlib import Path

import pytest

from benchmarks.protocols import as_section, as_table, compare
from benchmarks.results import put_section
from tests.services.conftest import TABLE
from tests.services.server import library


def test_protocols_compared_agree_in_all_but_seconds(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    library()
    measured = compare(3000, 1, tmp_path)
    assert [one.protocol for one in measured] == ["chdb", "native", "http"]
    for one in measured:
        assert one.facts == measured[0].facts
        assert one.facts.rows == 3000
        assert one.facts.accuracy > 0.5
        assert all(rule.passed for rule in one.facts.rules)
    pytestconfig.stash[TABLE] = as_table(measured)
    assert as_table(measured) in as_section(measured, 1)


def test_section_put_twice_replaces_only_itself(tmp_path: Path) -> None:
    file = tmp_path / "RESULTS.md"
    for title, body in (("Gate", "old"), ("Protocols", "kept"), ("Gate", "new")):
        put_section(title, body, file)
    text = file.read_text(encoding="utf-8")
    assert text.endswith("## Gate\n\nnew\n\n## Protocols\n\nkept\n")
    assert "old" not in text
