"""The ML Test Score counts what is proven, and nothing else."""

from pathlib import Path

import pytest

from benchmarks.score import (
    Proof,
    is_there,
    lines_of,
    points,
    read_map,
    run_tests,
    score_of,
)

TESTED = Proof("data", "tested", tests=("tests/test_a.py::test_good",))
MEASURED = Proof("data", "measured", aims=("speed of a",))
BY_HAND = Proof("data", "by hand", manual="docs/a.md#by-hand")
NOTHING = Proof("data", "nothing")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/a.md").write_text("# a\n\n## By hand\n", encoding="utf-8")
    (tmp_path / "tests").mkdir()
    tests = """
import pytest

def test_good(): pass

def test_bad(): assert False

@pytest.mark.parametrize("k", [0, 1])
def test_half_good(k): assert k

def test_skipped(): pytest.skip("no server")
"""
    (tmp_path / "tests/test_a.py").write_text(tests, encoding="utf-8")
    return tmp_path


def test_points_are_for_what_is_proven_alone(project: Path) -> None:
    proofs = (TESTED, MEASURED, BY_HAND, NOTHING)
    scored = points(proofs, set(TESTED.tests), ["speed of a, 10 rows"], project)
    assert [share for share, _ in scored.values()] == [1, 1, 0.5, 0]
    assert score_of(scored)["data"] == 2.5

    nothing = points(proofs, set(), [], project.parent)
    assert score_of(nothing)["data"] == 0
    assert "did not pass" in "\n".join(lines_of(nothing))


def test_tests_that_fail_are_skipped_or_are_gone_prove_nothing(project: Path) -> None:
    names = ("good", "bad", "half_good", "skipped", "deleted")
    tests = [f"tests/test_a.py::test_{name}" for name in names]
    assert run_tests(tests, project) == {"tests/test_a.py::test_good"}


def test_map_has_the_28_tests_and_each_test_it_names_is_there() -> None:
    _, proofs = read_map()
    assert len({proof.name for proof in proofs}) == 28
    assert not [test for proof in proofs for test in proof.tests if not is_there(test)]
