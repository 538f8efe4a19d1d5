"""The command line on a real embedded ClickHouse: what it says, and its exit codes."""

import io
import json
import logging
import shutil
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from clickhouse.snapshot import freeze
from ml.__main__ import main
from ml.contract import FEATURES
from ml.progress import shown_progress
from ml.registry.deployment import deploy_candidate
from ml.registry.models import read_candidate
from ml.training.search import _TRIED
from sample_market.loading import insert
from sample_market.market import simulate
from sample_market.spec import MarketSpec

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 22, 2, 15, tzinfo=UTC)
END = datetime(2026, 11, 22, tzinfo=UTC)
FIRST = "scheduled__2026-11-22T02:00:00+00:00"
SMALL = ("--trees", "12", "--n-jobs", "1")


@pytest.fixture(scope="module")
def market():
    return simulate(MarketSpec(rows=1600, labelled_share=0.6, end=END, seed=3))


@pytest.fixture
def snapshot(engine, market):
    insert(engine, market, "regime_features")
    return freeze(engine, FIRST, FEATURES)


@pytest.fixture
def run(engine, tmp_path, capsys):
    """Calls a command on the embedded ClickHouse; gives exit code, stdout and stderr."""
    url = engine.url.render_as_string(hide_password=False)

    def run_command(command, *arguments, url=url):
        source = () if command in ("status", "rollback", "release") else ("--url", url)
        models_dir = ("--models-dir", str(tmp_path / "models")) if command != "search" else ()
        code = main([command, *arguments, *source, *models_dir])
        return code, *capsys.readouterr()

    return run_command


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where the models folder with the first candidate is kept for the next test."""
    return tmp_path_factory.mktemp("kept") / "models"


@pytest.fixture
def trained(run, snapshot, tmp_path, kept):
    """A first candidate in the models folder."""
    models = tmp_path / "models"
    if kept.exists():
        shutil.copytree(kept, models)
    else:
        code, out, _ = run("train", "--snapshot", snapshot.name, "--run-id", FIRST, *SMALL)
        assert code == 0
        assert "Nothing to compare the bytes with" in out
        shutil.copytree(models, kept)
    return read_candidate(models, FIRST)


def test_train_prints_the_report_and_keeps_the_candidate(trained, snapshot, tmp_path):
    assert trained.metrics["data_fingerprint"] == snapshot.fingerprint
    assert trained.metrics["snapshot_table"] == snapshot.name
    assert trained.metrics["settings"]["trees"] == 12
    assert trained.metrics["decision"] is None


def test_train_twice_says_same_bytes(trained, run, snapshot):
    code, out, err = run("train", "--snapshot", snapshot.name, "--trees", "12", "--n-jobs", "2")

    assert code == 0
    assert f"Same bytes as {trained.folder}: SHA-256 {trained.sha256}" in out
    assert "Verdict: not judged yet" in out
    assert f"Reading {snapshot.name}" in err and "Read " in err


def test_repeat_of_a_run_takes_its_settings_and_says_same_bytes(trained, run):
    code, out, _ = run("train", "--repeat", FIRST, "--run-id", "again")

    assert code == 0
    assert f"Same bytes as {trained.folder}" in out


def test_repeat_takes_the_floor_of_the_run_too(run, snapshot):
    floor = ("--min-accuracy", "0.8", "--run-id", "strict")
    assert run("train", "--snapshot", snapshot.name, *SMALL, *floor)[0] == 0
    code, out, _ = run("train", "--repeat", "strict", "--run-id", "again")

    assert code == 0 and "Same bytes as" in out


def test_repeat_by_other_code_says_that_the_forest_is_the_same(trained, run, monkeypatch):
    monkeypatch.setattr("ml.__main__.source_commit", lambda: "d" * 40)
    code, out, _ = run("train", "--repeat", FIRST, "--n-jobs", "2")

    assert code == 1
    assert "Same forest as candidates/" in out and "OTHER METADATA" in out
    assert f"git commit {trained.metrics['git_commit']} -> {'d' * 40}" in out


def test_repeat_of_a_tampered_model_is_refused(trained, run, tmp_path):
    (tmp_path / "models" / trained.folder / "model.onnx").write_bytes(b"other")
    code, _, err = run("train", "--repeat", FIRST)

    assert code == 2
    assert "SHA-256" in err


def test_repeat_on_a_changed_snapshot_is_refused(trained, run, engine, market):
    insert(engine, market.head(3).assign(symbol="NEWUSDT", regime_label="range"), "regime_features")
    freeze(engine, FIRST, FEATURES)
    code, _, err = run("train", "--repeat", FIRST)

    assert code == 2
    assert "has fingerprint" in err


def test_repeat_with_own_settings_is_wrong_usage(trained, run):
    code, _, err = run("train", "--repeat", FIRST, "--trees", "5")

    assert code == 2
    assert "--trees cannot be given with --repeat" in err


def test_other_bytes_than_expected_are_told_and_are_a_no(run, snapshot):
    code, out, _ = run("train", "--snapshot", snapshot.name, "--expect", "a" * 64, *SMALL)

    assert code == 1
    assert "OTHER BYTES than expected: SHA-256 " in out


def test_train_and_judge_decides_with_the_thresholds_given(run, snapshot):
    short = ("--min-holdout-days", "1", "--min-holdout-runs", "1")
    options = ("train", "--snapshot", snapshot.name, "--judge", *SMALL, *short)
    good, told, _ = run(*options, "--min-accuracy", "0.05")
    bad, refused, _ = run(*options, "--min-accuracy", "0.999")

    assert (good, bad) == (0, 1)
    assert "Verdict: Passed" in told
    assert "Verdict: Kept" in refused and "the floor of 99.9%" in refused


def test_train_through_the_airflow_connection_reads_the_same_table(
    trained, snapshot, engine, tmp_path, monkeypatch, capsys
):
    extra = json.dumps({"path": engine.url.query["path"]})
    given = json.dumps({"conn_type": "chdb", "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_CLICKHOUSE_DEFAULT", given)
    models_dir = ("--models-dir", str(tmp_path / "models"))
    code = main(["train", "--connection", "--repeat", FIRST, "--run-id", "again", *models_dir])

    assert code == 0
    assert "Same bytes as" in capsys.readouterr().out


def test_train_on_too_few_samples_is_bad_input(run, engine, market):
    insert(engine, market.head(60), "regime_features")
    few = freeze(engine, "few", FEATURES)
    code, _, err = run("train", "--snapshot", few.name, *SMALL)

    assert code == 2
    assert err.splitlines()[-1].startswith("error: The ")


def test_train_on_a_table_that_is_not_there_is_bad_input(run):
    code, _, err = run("train", "--snapshot", "default.nothing", *SMALL)

    assert code == 2
    assert "default.nothing" in err


def test_server_that_does_not_answer_is_infrastructure(run):
    code, _, err = run(
        "train", "--snapshot", "a.b", url="clickhouse+native://me:secret@127.0.0.1:9/a"
    )

    assert code == 3
    assert "127.0.0.1:9" in err and "secret" not in err


@pytest.mark.parametrize("url", ["nonsense", "clickhouse+nothing://host/db", ""])
def test_url_that_is_none_is_bad_input(run, url):
    code, _, err = run("train", "--snapshot", "a.b", url=url)

    assert code == 2
    assert err.splitlines()[-1].startswith("error: ")


def test_compare_of_a_model_with_itself_is_a_no(trained, run, snapshot, tmp_path):
    file = tmp_path / "copy.onnx"
    file.write_bytes(trained.model)
    code, out, _ = run("compare", str(file), FIRST, "--snapshot", snapshot.name)

    assert code == 1
    assert f"{file} may NOT replace {FIRST}" in out
    assert "is not better than production's" in out


def test_compare_of_a_better_model_with_production_is_a_yes(trained, run, snapshot, tmp_path):
    run("train", "--snapshot", snapshot.name, "--run-id", "weak", "--trees", "1", "--seed", "5")
    weak = read_candidate(tmp_path / "models", "weak")
    deploy_candidate(tmp_path / "models", "weak", weak.sha256, NOW)
    code, out, _ = run(
        "compare", FIRST, "production", "--snapshot", snapshot.name, "--min-accuracy", "0.1"
    )

    assert code == 0
    assert f"{FIRST} may replace production" in out
    assert "balanced accuracy" in out and "recall of range" in out
    assert trained.sha256[:12] in out and weak.sha256[:12] in out


def test_compare_of_a_model_that_has_seen_the_rows_says_so(trained, run, snapshot):
    _, clean, _ = run("compare", FIRST, FIRST, "--snapshot", snapshot.name)
    _, seen, _ = run(
        "compare", FIRST, FIRST, "--snapshot", snapshot.name, "--holdout-fraction", "0.7"
    )

    assert "too good" not in clean
    assert f"Note: {FIRST} was trained on " in seen and "its scores here are too good" in seen


@pytest.mark.parametrize("name", ["production", "nothing.onnx", "no such run"])
def test_compare_with_what_is_not_there_is_bad_input(trained, run, snapshot, name):
    code, _, err = run("compare", FIRST, name, "--snapshot", snapshot.name)

    assert code == 2
    assert "What to do:" in err


def test_compare_with_a_file_that_is_no_model_is_bad_input(trained, run, snapshot, tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"garbage")
    code, _, err = run("compare", FIRST, str(tmp_path / "bad.onnx"), "--snapshot", snapshot.name)

    assert code == 2
    assert "onnxruntime cannot open" in err


def test_status_shows_production_backups_and_candidates(trained, run, snapshot, tmp_path):
    models = tmp_path / "models"
    deploy_candidate(models, FIRST, trained.sha256, NOW)
    run("train", "--snapshot", snapshot.name, "--run-id", "second", "--trees", "3", "--judge")
    second = read_candidate(models, "second")
    deploy_candidate(models, "second", second.sha256, NOW)
    code, out, _ = run("status")

    assert code == 0
    assert f"SHA-256 {second.sha256}" in out and "agrees with its metrics" in out
    assert "2026-11-22 02:15 UTC" in out
    assert f"2026-11-22T021500Z_{trained.sha256[:8]}" in out
    assert out.index("second") < out.index("Candidates") < out.index("Backups")


def test_rollback_brings_the_former_model_back_and_again_the_later_one(
    trained, run, snapshot, tmp_path
):
    models = tmp_path / "models"
    deploy_candidate(models, FIRST, trained.sha256, NOW)
    run("train", "--snapshot", snapshot.name, "--run-id", "second", "--trees", "3", "--judge")
    second = read_candidate(models, "second")
    deploy_candidate(models, "second", second.sha256, NOW)
    code, out, _ = run("rollback")

    assert code == 0
    assert f"The model of run {FIRST} is back in production: " in out
    assert "what it replaced is in backups/" in out and f"SHA-256 {trained.sha256}" in out
    assert (models / "regime_detector.onnx").read_bytes() == trained.model
    assert "Held: no run replaces it until a person approves a model" in out
    code, status, _ = run("status")
    assert code == 0 and "held          production was put back by hand on " in status
    code, lifted, _ = run("release")
    assert code == 0 and lifted.startswith("Lifted: production was put back by hand on ")
    assert run("release")[1] == "There is no hold; runs deploy by themselves\n"
    assert "The model of run second is back in production" in run("rollback")[1]
    assert (models / "regime_detector.onnx").read_bytes() == second.model


def test_rollback_to_what_is_not_there_is_bad_input_and_names_what_is(trained, run, tmp_path):
    models = tmp_path / "models"
    deploy_candidate(models, FIRST, trained.sha256, NOW)
    code, _, err = run("rollback", "--to", "yesterday")

    assert code == 2
    assert "There is no backup yesterday in " in err and "deploy a second model" in err
    assert (models / "regime_detector.onnx").read_bytes() == trained.model


@pytest.mark.parametrize("file", ["regime_detector.onnx", "candidates"])
def test_status_of_a_tampered_model_is_a_no(trained, run, tmp_path, file):
    models = tmp_path / "models"
    deploy_candidate(models, FIRST, trained.sha256, NOW)
    path = models / trained.folder / "model.onnx" if file == "candidates" else models / file
    path.write_bytes(path.read_bytes() + b"x")
    code, out, _ = run("status")

    assert code == 1
    assert "NOT SOUND" in out and "but its metrics speak of" in out


def test_status_of_a_model_without_its_metrics_is_a_no(trained, run, tmp_path):
    deploy_candidate(tmp_path / "models", FIRST, trained.sha256, NOW)
    (tmp_path / "models/regime_detector_metrics.json").write_text("{")
    code, out, _ = run("status")

    assert code == 1
    assert "no readable metrics" in out


def test_status_of_an_empty_folder_says_there_is_no_production(run, tmp_path):
    (tmp_path / "models").mkdir()

    assert run("status")[:2] == (0, f"Models in {tmp_path / 'models'}\n\nProduction: none yet\n")


def test_status_of_no_folder_is_bad_input(run):
    code, _, err = run("status")

    assert code == 2
    assert "there is no folder" in err


@pytest.mark.parametrize("command", ["train", "compare", "status", "rollback", "release"])
def test_help_has_examples_and_exit_codes(command, capsys):
    assert main([command, "--help"]) == 0
    out = capsys.readouterr().out

    assert f"python -m ml {command}" in out and "exit codes:" in out


@pytest.mark.parametrize(
    "arguments",
    [
        ["train"],
        ["train", "--snapshot", "a.b"],
        ["train", "--snapshot", "a.b", "--repeat", "r", "--connection"],
        ["train", "--snapshot", "a.b", "--connection", "--trees", "many"],
        ["fly"],
    ],
)
def test_wrong_usage_is_bad_input(arguments, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err


def test_module_runs_as_a_command():
    done = subprocess.run(
        [sys.executable, "-m", "ml", "status", "--models-dir", "/nowhere"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: there is no folder /nowhere: see --models-dir\n"


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(samples, build):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal, file = Terminal(), io.StringIO()
    with shown_progress(terminal):
        build(samples)
    with shown_progress(file):
        build(samples)

    assert "━" in terminal.getvalue() and "\x1b[" in terminal.getvalue()
    assert "Training on" in file.getvalue() and "\x1b[" not in file.getvalue()
    assert len(file.getvalue().splitlines()) >= 3


def test_progress_is_written_once_where_others_listen_too(caplog):
    caplog.set_level(logging.INFO)
    file = io.StringIO()
    with shown_progress(file):
        logging.getLogger("ml.training").info("half way")
    logging.getLogger("ml.training").info("done")

    assert file.getvalue().splitlines()[0].endswith("half way")
    assert [record.message for record in caplog.records] == ["done"]


def test_metrics_of_the_command_line_are_json(trained, tmp_path):
    kept = json.loads((tmp_path / "models" / trained.folder / "metrics.json").read_bytes())

    assert kept["run_id"] == FIRST


def test_search_keeps_what_it_found(run, snapshot, tmp_path, monkeypatch):
    monkeypatch.setitem(_TRIED, "max_depth", (8,))
    monkeypatch.setitem(_TRIED, "min_samples_leaf", (5,))
    kept = tmp_path / "search.json"
    code, out, _ = run("search", "--snapshot", snapshot.name, "--out", str(kept))
    found = json.loads(kept.read_text(encoding="utf-8"))

    assert code == 0 and f"Kept in {kept}" in out
    assert found["snapshot"] == snapshot.name and len(found["accuracies"]) == 2


def test_labels_are_listed_written_and_brought_back(run, engine, market, tmp_path):
    insert(engine, market.assign(regime_label=market["regime_label"].where(market.index < 300, "")))
    engine.dispose()
    file = tmp_path / "label_next.csv"
    code, out, _ = run("labels", "--rows", "20", "--csv", str(file))
    assert code == 0 and "drawn for the verdict" in out and f"Written to {file}" in out
    listed = file.read_text()
    assert listed.count("\n") == 21
    labelled = listed.replace(",,,\n", ",,,range\n")
    file.write_text(labelled.replace(",,,range\n", ",,,\n", 5))
    code, out, _ = run("labels", "--import", str(file))
    assert (code, out) == (0, "15 labels written; 0 of the rows had another label before\n")
    file.write_text(labelled.replace("USDT", "EUR"))
    code, _, err = run("labels", "--import", str(file))
    assert code == 2 and "has no row" in err and "nothing was written" in err
