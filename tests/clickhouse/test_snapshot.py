"""A snapshot holds exactly the labelled rows, once, under the run's name."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import Engine, text

from clickhouse import snapshot as snapshot_module
from clickhouse.errors import ClickHouseRefused, SnapshotChanged
from clickhouse.reading import read_samples
from clickhouse.snapshot import extent_of, find_snapshot, freeze, prune, table_name, verify
from ml.contract import FEATURES, REGIMES


def _run(engine: Engine, sql: str) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql)).all()]


def test_freeze_keeps_labelled_rows_once(labelled: Engine) -> None:
    assert _run(labelled, "SELECT count() FROM regime_features") == [(600,)]
    snapshot = freeze(labelled, "run", FEATURES)
    assert snapshot.rows == 200
    counts = f"SELECT count(), countIf(regime_label = '') FROM {snapshot.name}"
    assert _run(labelled, counts) == [(200, 0)]


def test_freeze_takes_the_newest_version_of_a_row(labelled: Engine) -> None:
    columns = ", ".join(FEATURES)
    _run(
        labelled,
        f"INSERT INTO regime_features (symbol, timestamp, {columns}, regime_label) SELECT symbol, "
        f"timestamp, {columns}, 'breakout' FROM regime_features FINAL WHERE regime_label = 'range'",
    )
    snapshot = freeze(labelled, "run", FEATURES)
    labels = f"SELECT regime_label, count() FROM {snapshot.name} GROUP BY 1 ORDER BY 1"
    assert _run(labelled, labels) == [("breakout", 100), ("trend_up", 100)]


def test_freeze_again_for_the_same_run_gives_the_same_snapshot(labelled: Engine) -> None:
    assert freeze(labelled, "run", FEATURES) == freeze(labelled, "run", FEATURES)


def test_freeze_of_other_content_changes_the_fingerprint(labelled: Engine) -> None:
    before = freeze(labelled, "run", FEATURES)
    columns = ", ".join(FEATURES)
    _run(
        labelled,
        f"INSERT INTO regime_features (symbol, timestamp, {columns}, regime_label) SELECT symbol, "
        f"timestamp, {columns.replace('adx', 'adx + 1e-9')}, regime_label FROM regime_features "
        "FINAL WHERE regime_label != '' LIMIT 1",
    )
    after = freeze(labelled, "run", FEATURES)
    assert (after.table, after.rows) == (before.table, before.rows)
    assert after.fingerprint != before.fingerprint


def test_freeze_leaves_the_source_as_it_was(labelled: Engine) -> None:
    state = "SELECT count(), sum(sipHash64(tuple(*))) FROM regime_features"
    before = _run(labelled, state)
    freeze(labelled, "run", FEATURES)
    assert _run(labelled, state) == before


def test_freeze_without_a_column_names_it(engine: Engine) -> None:
    _run(engine, "ALTER TABLE regime_features DROP COLUMN funding_rate_ma")
    with pytest.raises(ClickHouseRefused, match="funding_rate_ma"):
        freeze(engine, "run", FEATURES)


def test_freeze_without_the_table_names_it(engine: Engine) -> None:
    _run(engine, "DROP TABLE regime_features")
    with pytest.raises(ClickHouseRefused, match="regime_features"):
        freeze(engine, "run", FEATURES)


def test_freeze_into_another_database_writes_there(labelled: Engine) -> None:
    other = f"{labelled.url.database}_snapshots"
    _run(labelled, f"CREATE DATABASE {other}")
    snapshot = freeze(labelled, "run", FEATURES, database=other)
    assert _run(labelled, f"SHOW TABLES FROM {other}") == [(snapshot.table,)]
    _run(labelled, f"DROP DATABASE {other}")


def test_verify_of_an_edited_snapshot_raises(labelled: Engine) -> None:
    snapshot = freeze(labelled, "run", FEATURES)
    verify(labelled, snapshot)
    _run(labelled, f"INSERT INTO {snapshot.name} SELECT * FROM {snapshot.name} LIMIT 1")
    with pytest.raises(SnapshotChanged, match=snapshot.table):
        verify(labelled, snapshot)


def test_snapshot_that_was_pruned_says_what_freezes_it_again(labelled: Engine) -> None:
    snapshot = freeze(labelled, "run", FEATURES)
    assert prune(labelled, str(labelled.url.database), keep=0) == 1
    again = "clear the run from check_data on"
    with pytest.raises(ClickHouseRefused, match=again):
        verify(labelled, snapshot)
    with pytest.raises(ClickHouseRefused, match=again):
        read_samples(labelled, snapshot, FEATURES, REGIMES)
    with pytest.raises(ClickHouseRefused, match=again):
        find_snapshot(labelled, snapshot.name)
    lost = dataclasses.replace(snapshot, database="no_such_database")
    with pytest.raises(ClickHouseRefused, match=again):
        verify(labelled, lost)


def test_prune_keeps_the_newest_and_the_protected(labelled: Engine) -> None:
    names = [freeze(labelled, f"run {i}", FEATURES).name for i in range(5)]
    _run(labelled, "CREATE TABLE regime_snapshot_of_somebody (a UInt8) ENGINE = Memory")
    database = str(labelled.url.database)
    assert prune(labelled, database, keep=2, protect=[names[0]]) == 2
    left = {f"{database}.{name}" for (name,) in _run(labelled, "SHOW TABLES LIKE 'regime_snap%'")}
    assert left == {names[0], names[3], names[4], f"{database}.regime_snapshot_of_somebody"}


@pytest.mark.parametrize(("days", "left"), [(80, 2), (100, 1), (400, 0)])
def test_prune_drops_snapshots_that_are_too_old(labelled: Engine, days: int, left: int) -> None:
    frozen_at = (datetime.now(UTC) - timedelta(days=days)).isoformat()
    names = [freeze(labelled, f"run {k}", FEATURES).name for k in range(2)]
    with labelled.connect() as connection:
        for name in names:
            comment = {"comment": json.dumps({"frozen_at": frozen_at})}
            connection.execute(text(f"ALTER TABLE {name} MODIFY COMMENT :comment"), comment)
    assert prune(labelled, str(labelled.url.database), protect=[names[0]]) == 2 - left


def test_prune_drops_what_was_left_by_a_kill_but_nothing_that_may_still_run(
    labelled: Engine,
) -> None:
    now = datetime.now(UTC)
    comments = {
        "_tmp_replace_1_old": json.dumps({"frozen_at": (now - timedelta(days=2)).isoformat()}),
        "_tmp_replace_2_new": json.dumps({"frozen_at": now.isoformat()}),
        "_tmp_replace_3_not_ours": "",
        "regime_replay_old": json.dumps({"frozen_at": (now - timedelta(days=8)).isoformat()}),
        "regime_replay_new": json.dumps({"frozen_at": (now - timedelta(days=6)).isoformat()}),
    }
    with labelled.connect() as connection:
        for name, comment in comments.items():
            create = f"CREATE TABLE {name} (a UInt8) ENGINE = Memory COMMENT :comment"
            connection.execute(text(create), {"comment": comment})
    assert prune(labelled, str(labelled.url.database), keep=0) == 2
    left = {name for (name,) in _run(labelled, "SHOW TABLES LIKE '%repla%'")}
    assert left == set(comments) - {"_tmp_replace_1_old", "regime_replay_old"}


def test_table_name_of_like_run_ids_differs() -> None:
    assert table_name("a:b") != table_name("a_b")


def test_read_samples_gives_sorted_arrays_of_every_row(labelled: Engine) -> None:
    snapshot = freeze(labelled, "run", FEATURES)
    samples = read_samples(labelled, snapshot, FEATURES, REGIMES)
    assert samples["features"].shape == (200, 22)
    assert samples["features"].dtype == np.float32
    assert np.all(np.diff(samples["timestamps"].astype(int)) > 0)
    assert set(samples["symbols"]) == {"BTC's \\", "ETH"}
    first = _run(
        labelled,
        f"SELECT toUInt32(timestamp), symbol, regime_label, {', '.join(FEATURES)} "
        f"FROM {snapshot.name} ORDER BY timestamp LIMIT 1",
    )[0]
    assert samples["timestamps"][0].astype(int) == first[0]
    assert (samples["symbols"][0], REGIMES[samples["labels"][0]]) == first[1:3]
    np.testing.assert_array_equal(samples["features"][0], np.array(first[3:], np.float32))


def test_read_samples_of_parts_that_overlap_in_time_gives_them_in_order(labelled: Engine) -> None:
    whole = freeze(labelled, "run", FEATURES)
    parts = dataclasses.replace(whole, table="parts")
    _run(labelled, f"CREATE TABLE parts AS {whole.name}")
    _run(labelled, "SYSTEM STOP MERGES parts")
    for k in range(3):
        rows = f"SELECT * FROM {whole.name} WHERE cityHash64(timestamp) % 3 = {k}"
        _run(labelled, f"INSERT INTO parts {rows}")
    count = "SELECT count() FROM system.parts WHERE table = 'parts' AND active"
    assert _run(labelled, count) == [(3,)]
    expected = read_samples(labelled, whole, FEATURES, REGIMES)
    for name, values in read_samples(labelled, parts, FEATURES, REGIMES).items():
        np.testing.assert_array_equal(values, expected[name])


def test_read_samples_of_an_empty_snapshot_is_empty(engine: Engine) -> None:
    snapshot = freeze(engine, "run", FEATURES)
    assert dataclasses.replace(snapshot, rows=0) == snapshot
    assert read_samples(engine, snapshot, FEATURES, REGIMES)["features"].shape == (0, 22)


def test_read_samples_of_a_missing_column_is_refused(labelled: Engine) -> None:
    snapshot = freeze(labelled, "run", FEATURES)
    with pytest.raises(ClickHouseRefused, match="nowhere"):
        read_samples(labelled, snapshot, ["nowhere"], REGIMES)
    assert read_samples(labelled, snapshot, FEATURES, REGIMES)["features"].shape == (200, 22)


def test_extent_is_that_of_all_rows_labelled_or_not(labelled: Engine) -> None:
    days = "toUInt32(toDate(min(timestamp))), toUInt32(toDate(max(timestamp)))"
    (expected,) = _run(labelled, f"SELECT {days}, uniqExact(symbol) FROM regime_features")
    assert extent_of(labelled) == expected
    _run(labelled, "TRUNCATE TABLE regime_features")
    assert extent_of(labelled) == ()


@pytest.mark.parametrize("comment", ["", "mine", "[", "[1]", "7", '{"a": 1}', "[" * 99_999])
def test_comment_of_a_table_that_is_none_of_ours_says_no_time(comment: str) -> None:
    assert snapshot_module._frozen_at(comment) == ""
