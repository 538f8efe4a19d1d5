"""The page of all models, made of real folders."""

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ml.json_files import as_json
from ml.registry.deployment import roll_back
from ml.registry.hold import Hold, put_hold
from ml.registry.models import remember, write_candidate, write_candidate_files
from ml.registry.store import Folder
from ml.report.charts import balance_chart, balances
from ml.report.models_page import MOST_RUNS, models_page
from tests.dags.small_models import START, WEEK, deploy, small_candidates

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 23, 2, tzinfo=UTC)


def _page(models: Path) -> str:
    return models_page(Folder(models), NOW).decode().replace("<wbr>", "")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two deployed models and one that was only trained."""
    models = tmp_path_factory.mktemp("models")
    first, second, third = small_candidates(3)
    deploy(models, first, START)
    deploy(models, second, START + WEEK)
    write_candidate(models, third.metrics["run_id"], third.files())
    return models


def test_before_the_first_run_it_says_how_to_start_one(tmp_path: Path) -> None:
    page = _page(tmp_path / "none")
    assert "No model yet" in page and "press <strong>Trigger</strong>" in page
    assert not (tmp_path / "none").exists()


def test_production_its_digest_every_run_and_the_backup_stand_there(kept: Path) -> None:
    page = _page(kept)
    assert "In production" in page and "verified now" in page
    for week in range(3):
        assert f'href="report?run_id=run+of+{START + week * WEEK:%d.%m.}"' in page
    assert page.count("· in production") == 1
    assert (
        page.count('<circle class="dot candidate"') + page.count('<circle class="dot neutral"')
        == 2 * 3
    )
    assert ">sound<" in page


def test_class_balance_of_each_run_is_drawn_and_stands_in_a_table(kept: Path) -> None:
    page = _page(kept)
    bars = re.findall(r'<path class="(regime-\d)" d="(M[^"]+)"', page)
    drawn = {name: path.count("z") for name, path in bars if "h1v1" not in path}
    assert drawn == {"regime-0": 3, "regime-1": 3, "regime-2": 3}
    metrics = json.loads((kept / "regime_detector_metrics.json").read_bytes())
    counts = metrics["class_counts"]
    assert f"<td>{counts['range'] / sum(counts.values()):.1%}</td>" in page


def test_bars_of_a_run_are_as_high_as_its_shares() -> None:
    runs = [
        {"run_id": "a", "trained_at": "2026-11-08T02:00:00+00:00", "class_counts": counts}
        for counts in ({"trend_up": 1, "volatile": 3}, {"trend_up": 2, "nonsense": 9}, {}, None, 7)
    ]
    known = balances(runs)
    assert [run.samples for run in known] == [4, 2]
    chart = balance_chart(known, 1040, 300)
    assert chart is not None and balance_chart(known[:1], 1040, 300) is None
    heights = {layer.name: re.findall(r"v([\d.]+)h", layer.path) for layer in chart.layers}
    assert [float(height) for height in heights["trend_up"]] == pytest.approx([63.5, 254])
    assert [float(height) for height in heights["volatile"]] == pytest.approx([190.5])
    assert heights["range"] == []


def test_way_back_is_linked_for_those_who_may_and_for_sound_backups_only(kept: Path) -> None:
    link = '<a href="/dags/back">Go back to this model…</a>'
    allowed = models_page(Folder(kept), NOW, "/dags/back").decode()
    assert (allowed.count(link), _page(kept).count("Go back to this model")) == (1, 0)
    (backup,) = (kept / "backups").iterdir()
    assert f'<span class="pick">{backup.name}</span>' in allowed
    model = backup / "regime_detector.onnx"
    content = model.read_bytes()
    model.write_bytes(content + b"x")
    try:
        assert link not in models_page(Folder(kept), NOW, "/dags/back").decode()
    finally:
        model.write_bytes(content)


def test_model_that_a_rollback_brought_back_is_live_and_no_model_to_go_back_to(
    kept: Path, tmp_path: Path
) -> None:
    models = Path(shutil.copytree(kept, tmp_path / "models"))
    (former,) = (models / "backups").iterdir()
    roll_back(models, START + 2 * WEEK)
    page = _page(models)
    assert former.name not in page
    assert page.count('<span class="pick">') == len(list((models / "backups").iterdir())) - 1 == 1
    assert f"Live since {START + 2 * WEEK:%a %d %b %Y}" in page


def test_run_whose_candidate_is_pruned_stays_without_a_link(kept: Path, tmp_path: Path) -> None:
    store = Folder(tmp_path)
    for name in ("regime_detector.onnx", "regime_detector_metrics.json"):
        store.write(name, (kept / name).read_bytes())
    page = _page(tmp_path)
    assert "run of 15.11." in page and 'href="report' not in page


def test_production_of_another_digest_and_a_damaged_backup_are_said(kept: Path) -> None:
    model = kept / "regime_detector.onnx"
    content = model.read_bytes()
    model.write_bytes(content + b"x")
    try:
        assert "Production is not sound" in _page(kept)
    finally:
        model.write_bytes(content)


def test_unreadable_and_hostile_metrics_break_nothing(tmp_path: Path) -> None:
    store, evil = Folder(tmp_path), "<script>alert(1)</script>"
    store.write("candidates/a-0a1b2c3d/metrics.json", b"{")
    store.write("candidates/b-0a1b2c3d/metrics.json", b"[1]")
    metrics = {"run_id": evil, "test_accuracy": evil, "trained_at": evil, "model_sha256": evil}
    store.write("candidates/c-0a1b2c3d/metrics.json", as_json(metrics))
    for name in "de":
        odd = {"run_id": name, "test_accuracy": 0.5, "trained_at": "soon", "decision": None}
        store.write(f"candidates/{name}-0a1b2c3d/metrics.json", as_json(odd))
    page = _page(tmp_path)
    assert "<script>alert" not in page and "No model in production" in page


def test_of_a_long_history_the_chart_has_all_and_the_table_the_newest(
    kept: Path, tmp_path: Path
) -> None:
    shutil.copytree(kept, tmp_path / "models")
    weeks = [START - (week + 1) * WEEK for week in range(2 * MOST_RUNS)]
    told = [
        {"run_id": f"run of {then}", "trained_at": then.isoformat(), "test_accuracy": 0.7}
        for then in reversed(weeks)
    ]
    remember(Folder(tmp_path / "models"), told)
    page = _page(tmp_path / "models")
    chart = page.partition('id="backups"')[0]
    assert chart.count('<circle class="dot') >= 2 * (2 * MOST_RUNS + 2)
    assert f"run of {weeks[0]}" in page and f"run of {weeks[-1]}" not in page


def test_run_of_the_history_stands_in_chart_and_table(kept: Path, tmp_path: Path) -> None:
    shutil.copytree(kept, tmp_path / "models")
    old = {"run_id": "run of last year", "trained_at": "2025-11-23T02:00:00+00:00"}
    remember(Folder(tmp_path / "models"), [old | {"test_accuracy": 0.7125}])
    page = _page(tmp_path / "models")
    assert "run of last year" in page and "71.2%" in page
    assert page.count('<circle class="dot') == _page(kept).count('<circle class="dot') + 2


def test_of_many_runs_the_newest_are_shown_and_production_always(
    kept: Path, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    shutil.copytree(kept, models)
    (folder,) = (models / "candidates").glob("run_of_15*")
    metrics = json.loads((folder / "metrics.json").read_bytes())
    for hour in range(MOST_RUNS + 20):
        trained_at = (NOW + timedelta(hours=hour)).isoformat()
        told = {
            "run_id": f"many {hour}",
            "trained_at": trained_at,
            "model_sha256": "0",
        }
        write_candidate_files(
            Folder(models), f"many {hour}", {"metrics.json": as_json(metrics | told)}
        )
    page = _page(models)
    table = page.partition('id="runs"')[2]
    shown = re.findall(r'href="report\?run_id=many\+(\d+)"', table)
    assert shown == [str(hour) for hour in reversed(range(20, MOST_RUNS + 20))]
    assert "Older runs are not listed" in page
    assert page.count("· in production") == 1


def test_run_that_trained_the_same_bytes_again_is_not_called_production(
    kept: Path, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    shutil.copytree(kept, models)
    metrics = json.loads((models / "regime_detector_metrics.json").read_bytes())
    again = as_json(metrics | {"run_id": "again", "trained_at": NOW.isoformat()})
    write_candidate_files(Folder(models), "again", {"metrics.json": again})
    page = _page(models)
    row = page[page.index("report?run_id=again") :].partition("</tr>")[0]
    assert "in production" not in row
    assert page.count("· in production") == 1


def test_hold_and_notes_of_productions_verdict_stand_there(kept: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    shutil.copytree(kept, models)
    file = models / "regime_detector_metrics.json"
    notes = ["these regimes can hardly be predicted: <breakout>"]
    metrics = json.loads(file.read_bytes())
    file.write_bytes(
        as_json({**metrics, "decision": {"deploy": True, "reasons": [], "notes": notes}})
    )
    page = _page(models)
    assert "<li>These regimes can hardly be predicted: &lt;breakout&gt;.</li>" in page
    assert "Held:" not in page
    kept_sha256 = metrics["model_sha256"]
    hold = Hold("2026-11-22T02:15:00+00:00", "on-call", "<b>lost</b>", kept_sha256, None)
    put_hold(Folder(models), hold)
    told = "Held: production was put back by hand on 2026-11-22 02:15 UTC by on-call (&lt;b&gt;lost"
    assert told in _page(models)


def test_last_run_stands_first_whatever_it_came_to(kept: Path) -> None:
    rejected = {
        "run_id": "of Sunday",
        "trained_at": "2026-11-29T02:00:00+00:00",
        "outcome": "rejected",
        "reasons": ["12 rows of adx out of range"],
    }
    page = models_page(Folder(kept), NOW, None, [rejected]).decode()
    assert '<h1 id="last-title">Sun 29 Nov 2026: Rejected</h1>' in page
    assert "<li>12 rows of adx out of range.</li>" in page
    assert 'href="data-docs/run?run_id=of+Sunday"' in page
    assert page.index('id="last"') < page.index('id="production"') < page.index('id="runs"')


def test_candidate_whose_run_failed_later_is_told_as_failed_unless_it_was_deployed(
    kept: Path,
) -> None:
    names = [f"run of {START + week * WEEK:%d.%m.}" for week in (1, 2)]
    failed = [{"run_id": name, "outcome": "failed", "reasons": ["disk full"]} for name in names]
    page = models_page(Folder(kept), NOW, None, failed).decode()
    table = page.partition('id="runs"')[2].partition('id="labels"')[0]
    rows = re.findall(r"<tr.*?</tr>", table, re.DOTALL)
    told = {name: row for row in rows for name in names if name in row.replace("<wbr>", "")}
    assert ">Deployed<" not in told[names[1]] and ">Failed<" in told[names[1]]
    assert "disk full" in told[names[1]] and "disk full" not in told[names[0]]


def test_last_run_says_what_more_labels_would_do(kept: Path) -> None:
    assert "More labels: too few labels to say whether more of them would help." in _page(kept)
