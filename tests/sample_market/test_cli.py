"""The command line: what it writes, what it prints, how it refuses."""

import json

import pandas as pd
import pytest
from sqlalchemy.engine import make_url

import sample_market.__main__ as cli
from clickhouse.engine import open_engine
from ml.contract import REGIMES
from sample_market.loading import count_rows, read_file


def rows_in(url):
    engine = open_engine(url)
    try:
        return count_rows(engine)
    finally:
        engine.dispose()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_command_writes_a_file_that_it_can_read(tmp_path, capsys, kind):
    target = tmp_path / "new" / f"market.{kind}"
    options = ["--rows", "400", "--labelled-share", "0.5", "--seed", "3", "--symbols", "A, B"]
    assert cli.main([*options, f"--to-{kind}", str(target)]) == 0
    frame = read_file(target)
    assert len(frame) == 400
    assert set(frame["symbol"]) == {"A", "B"}
    printed = capsys.readouterr().out
    assert "Rows: 400 of 2 symbols, 200 labelled" in printed
    for regime in REGIMES:
        assert f"{regime}: {(frame['regime_label'] == regime).sum()}\n" in printed
    assert f"to {frame['timestamp'].max():%Y-%m-%d %H:%M} UTC" in printed
    assert printed.endswith(f"Written to: {target}\n")
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_command_symbols_may_be_a_number(tmp_path):
    cli.main(["--rows", "400", "--symbols", "5", "--to-csv", str(tmp_path / "m.csv")])
    assert read_file(tmp_path / "m.csv")["symbol"].nunique() == 5


def test_command_loads_simulation_into_table(database, capsys):
    assert cli.main(["--rows", "300", "--url", database]) == 0
    assert rows_in(database) == 300
    assert "regime_features" in capsys.readouterr().out


def test_command_if_empty_leaves_rows_alone(database, capsys):
    for _ in range(2):
        assert cli.main(["--rows", "300", "--url", database, "--if-empty"]) == 0
    assert rows_in(database) == 300
    assert "regime_features has 300 rows already: nothing was written." in capsys.readouterr().out


def test_command_loads_a_persons_file_and_tells_what_is_too_old(database, tmp_path, capsys):
    source = tmp_path / "own.csv"
    cli.main(["--rows", "200", "--to-csv", str(source)])
    own = pd.read_csv(source, keep_default_na=False)
    own.loc[:9, "timestamp"] = "2020-01-01 00:00:00"
    own.to_csv(source, index=False)
    assert cli.main(["--from-file", str(source), "--url", database]) == 0
    assert "Note: 10 rows are older than a year" in capsys.readouterr().out
    # Whether the old ones are gone already is up to ClickHouse.
    assert 190 <= rows_in(database) <= 200


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--rows", "5"], "rows is 5, allowed is: 96 to"),
        (["--symbols", "1"], "--symbols is '1', allowed is: 2 or more"),
        (["--seed", "-1"], "seed is -1"),
        (["--labelled-share", "2"], "labelled_share is 2.0"),
        (["--from-file", "none.csv"], "none.csv: the file cannot be opened"),
    ],
)
def test_command_bad_input_exits_2_with_the_error(tmp_path, capsys, options, told):
    assert cli.main([*options, "--to-csv", str(tmp_path / "m.csv")]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ")
    assert told in printed.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nonsense", "Could not parse"),
        ("", "--url is ''"),
        ("clickhouse+http://me:topsecret@127.0.0.1:1/x", "refused"),
        ("clickhouse+native://me:topsecret@127.0.0.1:1/x", "refused"),
    ],
)
def test_command_unusable_connection_exits_2_in_one_line(capfd, url, told):
    assert cli.main(["--rows", "200", "--url", url]) == 2
    printed = capfd.readouterr().err
    assert told in printed
    assert printed.count("\n") == 1
    assert "topsecret" not in printed


def test_command_missing_table_exits_2(database, capsys):
    assert cli.main(["--rows", "200", "--url", database, "--table", "nope"]) == 2
    assert "nope" in capsys.readouterr().err


def test_command_file_target_that_cannot_be_written_exits_2(tmp_path, capsys):
    (tmp_path / "taken").write_text("")
    assert cli.main(["--rows", "200", "--to-csv", str(tmp_path / "taken" / "m.csv")]) == 2
    assert "cannot be written" in (told := capsys.readouterr().err) and "m.csv" in told


@pytest.mark.parametrize("options", [[], ["--to-csv", "a", "--url", "b"], ["--if-empty"]])
def test_command_without_one_target_is_refused(options):
    assert cli.main(options) == 2


def test_command_if_empty_needs_a_table(tmp_path, capsys):
    assert cli.main(["--if-empty", "--to-csv", str(tmp_path / "m.csv")]) == 2
    assert "--if-empty needs a table" in capsys.readouterr().err


def test_connection_of_airflow_is_a_target(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make_url(database).query["path"]
    connection = json.dumps({"conn_type": "chdb", "extra": {"path": path}})
    monkeypatch.setenv("AIRFLOW_CONN_CLICKHOUSE_DEFAULT", connection)
    assert cli.main(["--rows", "300", "--connection"]) == 0
    assert "Rows: 300" in capsys.readouterr().out


def test_connection_that_is_missing_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_CLICKHOUSE_DEFAULT", raising=False)
    assert cli.main(["--rows", "300", "--connection"]) == 2
    assert "clickhouse_default: it is not defined" in capsys.readouterr().err
