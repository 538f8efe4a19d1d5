"""What the benchmarks write, and when their check fails."""

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine

from benchmarks import check
from benchmarks.gate_peers import judge_ours
from benchmarks.measuring import aim, by_turns, growth_in_mb
from benchmarks.results import RESULTS, put_section, read_aims
from benchmarks.tables import freeze_random


def test_section_measured_again_replaces_its_former_self_and_its_aims(tmp_path: Path) -> None:
    file = tmp_path / "RESULTS.md"
    put_section("Gate", aim("gate over limit", 4, most=3), file)
    peer = ("GX, stock (1.0)", 1.5)
    put_section("Reading", aim("peer: (ours)", 6, least=5, limit=2, peer=peer), file)
    put_section("Reading", f"{aim('b', -0.5, least=-1)}\n{aim('c', 9, least=8)}", file)
    put_section("Peer", aim("peer: (ours)", 6, least=5, limit=2, peer=peer), file)
    put_section("Gate", aim("gate over limit", 2.2, most=2), file)
    sections = file.read_text(encoding="utf-8").split("## ")[1:]
    assert [part.splitlines()[0] for part in sections] == ["Aims", "Gate", "Reading", "Peer"]
    lines = [line for line in sections[0].splitlines() if line.startswith("|")][2:]
    assert [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines] == [
        ["Gate", "gate over limit", "2.2", "≤ 2", "1.1", "", "", "**missed**"],
        ["Reading", "b", "-0.5", "≥ -1", "", "", "", "met"],
        ["", "c", "9", "≥ 8", "1.1", "", "", "met"],
        ["Peer", "peer: (ours)", "6", "≥ 5", "1.2", "2", "GX, stock (1.0) 1.5", "met"],
    ]
    assert "3 of 4 are met" in sections[0]


def test_every_aim_of_the_results_is_read() -> None:
    """A line of another form would be missing in the table without a word."""
    text = RESULTS.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith(("- met", "- **missed"))]
    assert len(list(read_aims(text))) == len(lines)


def test_aim_out_of_reach_is_said_to_be_missed() -> None:
    assert aim("a", 2.01, most=2).startswith("- **missed**")
    assert aim("a", 4.9, least=5).startswith("- **missed**")


def test_ways_run_by_turns_after_a_round_that_does_not_count() -> None:
    order: list[str] = []
    ways = {name: lambda name=name: order.append(name) for name in "ab"}
    assert set(by_turns(ways, 2)) == {"a", "b"}
    assert order == ["a", "b"] * 3


def test_growth_counts_what_the_work_holds_at_its_peak() -> None:
    assert 60 < growth_in_mb(lambda: bytearray(b"x") * (64 * 2**20)) < 90


@pytest.mark.parametrize(("ratio", "code", "measured"), [(1.29, 0, 1), (1.31, 1, 3)])
def test_check_fails_when_a_ratio_is_a_third_worse_each_time(
    ratio: float, code: int, measured: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds = tmp_path / "bounds.json"
    bounds.write_text(json.dumps({"a": 1.0}), encoding="utf-8")
    calls: list[int] = []

    def measure() -> dict[str, float]:
        calls.append(1)
        return {"a": ratio}

    monkeypatch.setattr(check, "BOUNDS", bounds)
    monkeypatch.setattr(check, "MEASURES", (measure,))
    monkeypatch.setattr("sys.argv", ["check"])
    assert (check.main(), len(calls)) == (code, measured)


@pytest.mark.parametrize("rows", [1_000, 20_000])
def test_random_rows_of_the_benchmarks_pass_the_gate(
    rows: int, engine: Engine, tmp_path: Path
) -> None:
    judge_ours(engine, freeze_random(engine, rows), tmp_path)


def test_every_ratio_of_the_check_has_a_bound() -> None:
    bounds = json.loads(check.BOUNDS.read_text(encoding="utf-8"))
    assert len(bounds) == 7 and all(bound > 0 for bound in bounds.values())
