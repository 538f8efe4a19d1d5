"""Which rows are worth a label: the ranking on rows made up, and on an embedded ClickHouse."""

from datetime import UTC, datetime

import numpy as np
import pytest
from sqlalchemy import text

from clickhouse.errors import ClickHouseRefused
from clickhouse.label_import import import_labels
from clickhouse.labelling import WANTED_TABLE
from ml.contract import REGIMES
from ml.labelling.listing import keep_list, make_list
from ml.labelling.ranking import (
    WINDOW,
    LabelCoverage,
    Pool,
    Wishes,
    block_of,
    choose_rows,
    newest_stretch,
)
from sample_market.loading import insert
from sample_market.market import simulate
from sample_market.spec import MarketSpec

HOUR = np.timedelta64(3600, "s")
FIRST = np.datetime64("2026-01-01T00:00:00", "s")
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def pool_of(hours: int = 1400, symbols: tuple[str, ...] = ("A", "B")) -> Pool:
    times = np.repeat(FIRST + np.arange(hours) * HOUR, len(symbols))
    lots = np.random.default_rng(1).permutation(len(times)).astype(np.uint64)
    return Pool(np.array(symbols * hours, object), times, lots)


def coverage_of(pool, rows=(), counts=None):
    blocks: dict[tuple[str, int], int] = {}
    for row in rows:
        place = str(pool.symbols[row]), int(block_of(pool.timestamps[row : row + 1])[0])
        blocks[place] = blocks.get(place, 0) + 1
    regimes = dict.fromkeys(REGIMES, 0) | {"range": len(rows)} | (counts or {})
    return LabelCoverage(blocks, regimes, pool.timestamps[0], pool.timestamps[-1])


def probabilities_of(pool, favourite=2, share=0.9):
    shares = np.full((len(pool), len(REGIMES)), (1 - share) / 6)
    shares[:, favourite] = share
    return shares


def all_covered(pool):
    """A label in each week of each symbol."""
    places = zip(pool.symbols.tolist(), block_of(pool.timestamps).tolist(), strict=True)
    return coverage_of(pool, list({place: row for row, place in enumerate(places)}.values()) * 3)


def test_without_label_and_model_every_week_of_every_symbol_is_asked_for_once() -> None:
    pool = pool_of()
    older = pool.timestamps < newest_stretch(coverage_of(pool), 0.2)
    weeks = len(set(zip(pool.symbols[older], block_of(pool.timestamps[older]), strict=True)))
    chosen = choose_rows(pool, coverage_of(pool), Wishes(25))
    spread = [row for row, why in chosen if why == "no label of this symbol in this week"]
    places = {(pool.symbols[row], int(block_of(pool.timestamps[[row]])[0])) for row in spread}
    assert len(places) == len(spread) >= weeks - 2 > 10  # the newest week of older ones has a draw


def test_no_window_of_two_listed_rows_of_a_symbol_overlaps() -> None:
    pool = pool_of()
    chosen = [row for row, _ in choose_rows(pool, coverage_of(pool), Wishes(500))]
    assert 60 < len(chosen) < 500
    for symbol in ("A", "B"):
        times = np.sort(pool.timestamps[[row for row in chosen if pool.symbols[row] == symbol]])
        assert np.diff(times).min() >= np.timedelta64(WINDOW)


def test_newest_stretch_is_drawn_by_lot_whatever_the_model_finds_hard() -> None:
    pool, covered = pool_of(), all_covered(pool_of())
    newest = newest_stretch(covered, 0.2)
    hard = probabilities_of(pool)
    hard[pool.timestamps >= newest] = 1 / 7
    rows = {}
    for name, model in (("easy", probabilities_of(pool)), ("hard", hard)):
        chosen = choose_rows(pool, covered, Wishes(50), model)
        rows[name] = {row for row, why in chosen if why == "drawn for the verdict"}
        assert {row for row, _ in chosen if pool.timestamps[row] >= newest} == rows[name]
        # Whoever labels the first half has half of them.
        assert 4 <= sum(why == "drawn for the verdict" for _, why in chosen[:25]) <= 6
    assert rows["easy"] == rows["hard"] and len(rows["easy"]) == 10


def test_hard_rows_stay_out_of_the_holdout_that_old_labels_will_be() -> None:
    pool = pool_of()
    old = coverage_of(pool, range(200))
    model = probabilities_of(pool)
    model[::3] = 1 / 7
    hesitant = [row for row, why in choose_rows(pool, old, Wishes(50), model) if "hesitates" in why]
    assert not hesitant


def test_rare_regime_is_asked_for_where_the_model_sees_it() -> None:
    pool = pool_of()
    model = probabilities_of(pool)
    model[5::50] = probabilities_of(pool, favourite=3)[5::50]
    rare = LabelCoverage(
        all_covered(pool).blocks, {"range": 50, "breakout": 4}, *pool.timestamps[[0, -1]]
    )
    chosen = choose_rows(pool, rare, Wishes(50), model)
    likely = [row for row, why in chosen if why == "breakout has 4 of 10: likely one"]
    assert len(likely) == 6 and all(model[likely].argmax(axis=1) == 3)


def test_model_hesitates_between_the_two_regimes_that_are_named() -> None:
    pool = pool_of()
    model = probabilities_of(pool)
    model[7::40] = np.eye(7)[2] * 0.5 + np.eye(7)[5] * 0.5
    chosen = choose_rows(pool, all_covered(pool), Wishes(20), model)
    hesitant = [row for row, why in chosen if "between range and accumulation" in why]
    assert len(hesitant) >= 8 and all(model[hesitant, 5] == 0.5)


@pytest.mark.slow
class TestOnClickHouse:
    """The list of a simulated market in an embedded ClickHouse."""

    @pytest.fixture
    def market(self):
        market = simulate(MarketSpec(rows=6_000, labelled_share=0.01, end=NOW, seed=5))
        market.loc[market.index[:400], "adx"] = np.nan  # of the first symbol
        return market

    @pytest.fixture
    def loaded(self, engine, market):
        insert(engine, market.assign(adx=market["adx"].fillna(20)))
        with engine.connect() as connection:
            first = market["timestamp"][400].isoformat()
            connection.execute(
                text(
                    "INSERT INTO regime_features SELECT * REPLACE(nan AS adx) FROM regime_features "
                    f"WHERE symbol = 'BTCUSDT' AND timestamp < '{first}' AND regime_label = ''"
                )
            )
            connection.execute(
                text(
                    "INSERT INTO regime_features SELECT * REPLACE(now() + 86400 AS timestamp) "
                    "FROM regime_features LIMIT 1"
                )
            )
        return engine

    def test_list_holds_free_rows_that_the_gate_would_take(self, loaded, market) -> None:
        made = make_list(loaded, Wishes(200))
        marked = market[market["regime_label"] != ""]
        assert len(made.rows) > 60
        for row in made.rows:
            moment = datetime.fromisoformat(row.timestamp)
            assert moment <= datetime.now(UTC)
            of = marked.loc[marked["symbol"] == row.symbol, "timestamp"]
            assert (of - moment.replace(tzinfo=None)).abs().min() >= WINDOW
            assert (
                row.symbol != "BTCUSDT" or moment.replace(tzinfo=None) >= market["timestamp"][400]
            )
        assert made.labels == dict(marked["regime_label"].value_counts().reindex(REGIMES))

    def test_same_data_give_the_same_list(self, loaded) -> None:
        again = [make_list(loaded, Wishes()).rows for _ in range(2)]
        assert again[0] == again[1]

    def test_table_is_replaced_whole_and_the_source_is_left_alone(self, loaded) -> None:
        def content(query):
            with loaded.connect() as connection:
                return connection.execute(text(query)).all()

        total = "SELECT count(), sum(cityHash64(*)) FROM regime_features"
        before = content(total)
        for rows in (30, 12):
            keep_list(loaded, None, make_list(loaded, Wishes(rows), run_id="x: 'y'"))
            kept = content(f"SELECT rank, symbol, why FROM {WANTED_TABLE} ORDER BY rank")
            assert [row.rank for row in kept] == list(range(1, rows + 1))
        assert content(total) == before

    def test_imported_labels_count_and_leave_the_list(self, loaded) -> None:
        made = make_list(loaded, Wishes())
        labels = {
            (row.symbol, int(datetime.fromisoformat(row.timestamp).timestamp())): "volatile"
            for row in made.rows
        }
        assert set(import_labels(loaded, labels).values()) == {""}
        after = make_list(loaded, Wishes())
        assert after.labels["volatile"] == made.labels["volatile"] + len(labels)
        assert not {(r.symbol, r.timestamp) for r in made.rows} & {
            (r.symbol, r.timestamp) for r in after.rows
        }

    def test_label_of_a_row_that_is_not_there_is_refused_and_nothing_written(self, loaded) -> None:
        row = make_list(loaded, Wishes(1)).rows[0]
        seconds = int(datetime.fromisoformat(row.timestamp).timestamp())
        labels = {(row.symbol, seconds): "range", ("NONE", seconds): "range"}
        with pytest.raises(ClickHouseRefused, match=r"has no row NONE 20.*1 of 2 labels"):
            import_labels(loaded, labels)
        assert import_labels(loaded, {(row.symbol, seconds): "range"}) == {
            (row.symbol, seconds): ""
        }

    def test_table_that_keeps_both_versions_takes_no_labels(self, loaded) -> None:
        with loaded.connect() as connection:
            connection.execute(text("RENAME TABLE regime_features TO old"))
            connection.execute(
                text(
                    "CREATE TABLE regime_features ENGINE = MergeTree ORDER BY symbol AS "
                    "SELECT * FROM old FINAL"
                )
            )
        row = make_list(loaded, Wishes(1)).rows[0]
        place = row.symbol, int(datetime.fromisoformat(row.timestamp).timestamp())
        with pytest.raises(ClickHouseRefused, match="does not let a newer version"):
            import_labels(loaded, {place: "range"})

    def test_table_without_rows_gives_an_empty_list(self, engine) -> None:
        assert make_list(engine, Wishes()).rows == ()

    def test_table_of_other_types_gives_the_same_list_and_takes_labels(self, loaded) -> None:
        expected = make_list(loaded, Wishes()).rows
        labels = ", ".join(f"'{name}' = {k}" for k, name in enumerate(("", *REGIMES)))
        with loaded.connect() as connection:
            connection.execute(text("RENAME TABLE regime_features TO old"))
            connection.execute(
                text(
                    "CREATE TABLE regime_features ENGINE = ReplacingMergeTree ORDER BY "
                    "(timestamp, symbol) AS SELECT * REPLACE(CAST(symbol AS FixedString(9)) AS "
                    "symbol, toDateTime64(timestamp, 3) AS timestamp, "
                    "CAST(atr_14 AS Nullable(Float64)) AS atr_14, "
                    f"CAST(regime_label AS Enum8({labels})) AS regime_label) FROM old FINAL"
                )
            )
        found = make_list(loaded, Wishes()).rows
        assert found == expected
        place = found[0].symbol, int(datetime.fromisoformat(found[0].timestamp).timestamp())
        assert import_labels(loaded, {place: "range"}) == {place: ""}
        assert import_labels(loaded, {place: "range"}) == {place: "range"}
