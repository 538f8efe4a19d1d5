"""What differs from production's training data is told; only what no market does blocks."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import great_expectations as gx
import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Engine, text

from clickhouse.engine import open_engine
from clickhouse.schema import apply_schema
from clickhouse.snapshot import freeze
from expectations.docs.context import open_context
from expectations.rules.drift import rules_of_drift
from expectations.rules.reference import Reference
from expectations.rules.shifts import mixed_up
from expectations.run_record import RuleRecord, read_record
from ml.contract import COUNTS, FEATURES, PRICED, REGIMES
from ml.data.profile import profile_of
from ml.data.samples import Samples
from sample_market import MarketSpec, simulate
from sample_market.loading import insert
from sample_market.spec import current_hour

Rules = dict[str, RuleRecord]
Compare = Callable[..., Rules]

FLOATS = [name for name in FEATURES if name not in COUNTS]
PRICES = ["atr_14", "ema_9", "ema_21", "ema_55", "ema_200"]


@pytest.fixture(scope="module")
def market() -> pd.DataFrame:
    """1,200 labelled rows of four symbols."""
    return _simulated(3600, 1)


@pytest.fixture(scope="module")
def production(market: pd.DataFrame) -> Reference:
    """What a model trained on the oldest 78 % of them leaves behind."""
    return _reference(market.iloc[: int(0.78 * len(market))])


@pytest.fixture(scope="module")
def shared_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One embedded engine for all tests here: starting one takes longer than judging."""
    folder = tmp_path_factory.mktemp("clickhouse")
    engine = open_engine(f"clickhouse+chdb:///default?path={folder}")
    apply_schema(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def compare(shared_engine: Engine, tmp_path: Path) -> Compare:
    """Freezes rows and judges them by the rules of drift alone, as the gate does."""
    engine = shared_engine

    def run(rows: pd.DataFrame, reference: Reference | None) -> Rules:
        with engine.connect() as connection:
            connection.execute(text("TRUNCATE TABLE regime_features"))
        if len(rows):
            insert(engine, rows)
        snapshot = freeze(engine, "run", FEATURES)
        url = engine.url.set(database=snapshot.database)
        context = open_context(tmp_path, url.render_as_string(hide_password=False))
        source = context.data_sources.add_sql("it", connection_string="${CLICKHOUSE_URL}")
        try:
            asset = source.add_table_asset(name=snapshot.table, table_name=snapshot.table)
            rules = list(rules_of_drift(reference, FEATURES, REGIMES))
            suite = context.suites.add(gx.ExpectationSuite(name="drift", expectations=rules))
            definition = context.validation_definitions.add(
                gx.ValidationDefinition(
                    name="drift", data=asset.add_batch_definition_whole_table("all"), suite=suite
                )
            )
            answer = definition.run(result_format="BASIC")
        finally:
            source.get_engine().dispose()
            source.get_execution_engine().close()
        record = read_record(answer.to_json_dict())
        assert not record.problems
        return {rule.rule: rule for rule in record.rules}

    return run


def _simulated(rows: int, seed: int) -> pd.DataFrame:
    """The labelled third of a market, the same whenever the test runs: volume knows the hour."""
    market = simulate(MarketSpec(rows=rows, seed=seed, end=current_hour().replace(hour=0)))
    return _sorted(market[market["regime_label"] != ""])


def _sorted(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sort_values(["timestamp", "symbol"])


def _reference(rows: pd.DataFrame) -> Reference:
    """Through JSON, as it travels."""
    samples = Samples(
        rows[list(FEATURES)].to_numpy(np.float32),
        rows["regime_label"].map(REGIMES.index).to_numpy(np.uint8),
        rows["timestamp"].to_numpy().astype("datetime64[s]"),
        rows["symbol"].to_numpy(object),
    )
    return Reference.from_dict(json.loads(json.dumps(profile_of(samples))))


def _times(rows: pd.DataFrame, features: list[str], factor: float) -> pd.DataFrame:
    return rows.assign(**{name: rows[name] * factor for name in features})


def _swapped(rows: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Moves the values of each column into the one before it, the first into the last."""
    moved = dict(zip(names, (*names[1:], names[0]), strict=True))
    return rows.assign(**{to: rows[of].astype(rows[to].dtype) for to, of in moved.items()})


def _blocking(rules: Rules) -> list[str]:
    return [rule.rule for rule in rules.values() if rule.outcome == "failed"]


def _warned(rules: Rules) -> list[str]:
    return [rule.rule for rule in rules.values() if rule.outcome == "warned"]


def test_first_run_passes_and_says_that_there_is_no_model(
    compare: Compare, market: pd.DataFrame
) -> None:
    (rule,) = compare(market, None).values()
    assert rule.passed and rule.observed == "nothing to compare with: no production model yet"


@pytest.mark.points
@pytest.mark.parametrize(
    "profile", [None, {}, {"features": {}}, {"features": 3}, "text", {"symbol_days": None}]
)
def test_production_without_a_profile_passes_with_a_warning(
    compare: Compare, market: pd.DataFrame, profile: object
) -> None:
    (rule,) = compare(market, Reference.from_dict(profile)).values()
    assert rule.outcome == "warned"
    assert "production's metrics hold no profile" in rule.observed


def test_feature_missing_in_the_profile_is_named_in_a_warning(
    compare: Compare, market: pd.DataFrame
) -> None:
    full = _reference(market)
    known = {name: entry for name, entry in full.features.items() if name != "adx"}
    rules = compare(market.assign(adx=5.0), Reference(full.symbol_days, full.regimes, known))
    assert _warned(rules) == ["compared with production"]
    assert rules["compared with production"].observed == "nothing is known there of adx"


def test_long_names_of_many_symbols_do_not_travel_in_a_query(
    compare: Compare, market: pd.DataFrame
) -> None:
    parts = (np.arange(len(market)) % (len(market) // 120)).astype(str)
    renamed = market.assign(symbol=market["symbol"] + " " + parts + 2000 * "x")
    other = renamed.assign(ema_9=renamed["ema_9"] * 1000)
    rules = compare(other, _reference(renamed))
    assert rules["size of features"].observed == "ema_9 1e+03 times as large"


def test_production_s_own_market_differs_in_nothing(
    compare: Compare, market: pd.DataFrame, production: Reference
) -> None:
    rules = compare(market, production)
    assert all(rule.passed for rule in rules.values())
    assert rules["features as trained"].observed.startswith("largest PSI 0.0")


def test_index_in_the_report_is_the_one_of_numpy(
    compare: Compare, market: pd.DataFrame, production: Reference
) -> None:
    rows = market.assign(adx=np.minimum(market["adx"] * 1.5, 99))
    (row,) = compare(rows, production)["features as trained"].rows
    entry = production.features["adx"]
    ends = np.array(entry.edges, np.float32)
    now = np.bincount(np.searchsorted(ends, rows["adx"].to_numpy(np.float32))) / len(rows)
    then = np.array(entry.counts) / sum(entry.counts)
    now = np.maximum(now, 0.5 / len(rows))
    assert (row["feature"], row["PSI"]) == (
        "adx",
        round(((now - then) * np.log(now / then)).sum(), 2),
    )


def test_values_equal_to_an_edge_are_counted_as_in_training(
    compare: Compare, market: pd.DataFrame
) -> None:
    # 0.0001 is no float32: as float64 it lies below the edge, which is one, or above it.
    rates = np.resize([0.0001, 0.0003, 0.0007, -0.0002], len(market))
    rows = market.assign(funding_rate=rates)
    rule = compare(rows, _reference(rows))["features as trained"]
    assert rule.observed.startswith("largest PSI 0.00")


def test_drifted_feature_is_a_warning_that_says_where_its_rows_went(
    compare: Compare, market: pd.DataFrame, production: Reference
) -> None:
    rows = _times(market, ["atr_pct"], 5)
    rules = compare(rows, production)
    assert (_warned(rules), _blocking(rules)) == (["features as trained"], [])
    highest = production.features["atr_pct"].edges[-1]
    share = (rows["atr_pct"] > highest).mean()
    assert rules["features as trained"].observed.endswith(
        f": {share:.0%} above {highest:.3g}, where production had 10%"
    )


def test_drifted_features_are_listed_the_furthest_first(
    compare: Compare, market: pd.DataFrame, production: Reference
) -> None:
    rule = compare(_times(market, [*PRICES, "adx"], 0.4), production)["features as trained"]
    indices = [row["PSI"] for row in rule.rows]
    assert {row["feature"] for row in rule.rows} == {*PRICES, "adx"}
    assert indices == sorted(indices, reverse=True)
    assert rule.observed.endswith("; 3 more")


def test_changed_mix_of_labels_is_a_warning_that_names_the_regime(
    compare: Compare, market: pd.DataFrame, production: Reference
) -> None:
    one = market["regime_label"].isin(["range", "trend_up"])
    rules = compare(
        market.assign(regime_label=market["regime_label"].where(one, "range")), production
    )
    assert (_warned(rules), _blocking(rules)) == (["labels as trained"], [])
    assert "% range, where production had " in rules["labels as trained"].observed


@pytest.mark.points
@pytest.mark.parametrize("part", ["one symbol", "without one symbol", "calm regimes", "crash only"])
def test_part_of_the_market_does_not_block(
    compare: Compare, market: pd.DataFrame, production: Reference, part: str
) -> None:
    chosen = {
        "one symbol": market["symbol"] == "ETHUSDT",
        "without one symbol": market["symbol"] != "BTCUSDT",
        "calm regimes": market["regime_label"].isin(["range", "accumulation"]),
        "crash only": market["regime_label"].isin(["volatile", "trend_down"]),
    }
    assert _blocking(compare(market[chosen[part]], production)) == []


def test_symbols_that_production_has_not_seen_do_not_block(
    compare: Compare, market: pd.DataFrame, production: Reference
) -> None:
    new = _times(market, PRICES, 1e-6).assign(symbol=market["symbol"] + "/USDT:'%s\\")
    assert _blocking(compare(pd.concat([market, new]), production)) == []
    assert _blocking(compare(new, production)) == []


def test_symbols_with_odd_names_are_compared(compare: Compare, market: pd.DataFrame) -> None:
    odd = market.assign(symbol=market["symbol"] + "/USDT:'%s\\")
    reference = _reference(odd)
    assert _blocking(compare(odd, reference)) == []
    assert _blocking(compare(_times(odd, ["ema_9"], 100), reference)) == ["size of features"]


@pytest.mark.parametrize("factor", [2, 10, 0.1])
def test_other_price_level_does_not_block(
    compare: Compare, market: pd.DataFrame, production: Reference, factor: float
) -> None:
    assert _blocking(compare(_times(market, PRICES, factor), production)) == []


def test_quiet_market_does_not_block(
    compare: Compare, market: pd.DataFrame, production: Reference
) -> None:
    quiet = _times(market, ["atr_14", "atr_pct", "bb_width", "historical_vol"], 0.15).assign(
        support_breaks=0, resistance_breaks=0, consolidation_periods=16
    )
    assert _blocking(compare(_times(quiet, ["liquidations_24h"], 0.05), production)) == []


def test_crash_does_not_block(
    compare: Compare, market: pd.DataFrame, production: Reference
) -> None:
    crash = _times(market, ["atr_14", "atr_pct", "bb_width", "historical_vol", "volume_24h"], 8)
    crash = _times(crash, ["liquidations_24h"], 20).assign(
        funding_rate=-5 * market["funding_rate"].abs(),
        lower_lows_count=market["lower_lows_count"] // 2 + 6,
        higher_highs_count=market["higher_highs_count"] // 3,
    )
    assert _blocking(compare(crash, production)) == []


def test_turn_from_rising_to_falling_does_not_block(compare: Compare, market: pd.DataFrame) -> None:
    rising = market["regime_label"].isin(["trend_up", "accumulation"])
    falling = market["regime_label"].isin(["trend_down", "distribution"])
    assert _blocking(compare(market[falling], _reference(market[rising]))) == []


@pytest.mark.full
def test_other_labelled_hours_of_the_same_weeks_are_no_drift(compare: Compare) -> None:
    """300 rows against 300 others of one market, twenty times, with no false warning."""
    warned = []
    for seed in range(20):
        rows = _simulated(3600, seed)
        stretch = rows["symbol"] + (rows["timestamp"].astype("int64") // 10_800).astype(str)
        names = np.array(sorted(stretch.unique()), dtype=object)
        order = {name: n for n, name in enumerate(np.random.default_rng(seed).permutation(names))}
        mixed = rows.iloc[np.argsort(stretch.map(order), kind="stable")]
        rules = compare(_sorted(mixed[-300:]), _reference(_sorted(mixed[:300])))
        assert _blocking(rules) == []
        warned += _warned(rules)
    assert warned == []


@pytest.mark.parametrize("seed", range(50, 53))
def test_quite_another_history_does_not_block(
    compare: Compare, production: Reference, seed: int
) -> None:
    assert _blocking(compare(_simulated(900, seed), production)) == []


@pytest.mark.parametrize("factor", [100, 0.01])
def test_every_feature_in_another_unit_blocks_and_is_named(
    compare: Compare, market: pd.DataFrame, production: Reference, factor: float
) -> None:
    rule = compare(_times(market, FLOATS, factor), production)["size of features"]
    assert rule.outcome == "failed"
    assert [row["feature"] for row in rule.rows] == FLOATS
    assert all(0.3 < float(row["times"]) / factor < 3 for row in rule.rows)


def test_one_feature_in_another_unit_blocks_alone(
    compare: Compare, market: pd.DataFrame, production: Reference
) -> None:
    rules = compare(_times(market, ["historical_vol"], 0.01), production)
    assert _blocking(rules) == ["size of features"]
    assert rules["size of features"].observed == "historical_vol 0.01 times as large"


@pytest.mark.parametrize("factor", [100, 0.01])
def test_unit_that_changed_lately_is_a_warning(
    compare: Compare, market: pd.DataFrame, production: Reference, factor: float
) -> None:
    start = int(0.8 * len(market))
    rows = pd.concat([market[:start], _times(market[start:], FLOATS, factor)])
    rules = compare(rows, production)
    assert "size of features" not in _blocking(rules)
    assert [row["feature"] for row in rules["size of features in part"].rows] == FLOATS


def test_size_of_few_events_is_not_judged(compare: Compare, market: pd.DataFrame) -> None:
    events = np.where(np.arange(len(market)) % 40 == 0, market["liquidations_24h"], 0.0)
    rows = market.assign(liquidations_24h=events)
    rules = compare(_times(rows, ["liquidations_24h"], 1000), _reference(rows))
    assert rules["size of features"].passed


@pytest.mark.points
@pytest.mark.parametrize(
    "names",
    [
        ("adx", "bb_width"),
        ("adx", "btc_dominance"),
        ("historical_vol", "adx"),
        ("volume_24h", "liquidations_24h"),
        ("atr_14", "ema_9"),
        ("volume_24h", "funding_rate"),
        ("volume_price_divergence", "correlation_tightness"),
        ("consolidation_periods", "higher_highs_count"),
    ],
    ids="-".join,
)
def test_columns_that_changed_places_block_and_are_named(
    compare: Compare, market: pd.DataFrame, production: Reference, names: tuple[str, str]
) -> None:
    rules = compare(_swapped(market, *names), production)
    rule = rules["columns in their places"]
    assert rule.outcome == "failed"
    found = {row["column"]: row["looks like"] for row in rule.rows}
    assert found == dict(zip(names, names[::-1], strict=True))


@pytest.mark.points
@pytest.mark.parametrize("count", ["higher_highs_count", "support_breaks", "consolidation_periods"])
def test_count_and_fraction_that_changed_places_block(
    compare: Compare, market: pd.DataFrame, production: Reference, count: str
) -> None:
    rows = market.assign(bb_width=market[count] * 1.0, **{count: market["bb_width"].clip(0, 255)})
    rows[count] = rows[count].astype(np.uint8)
    rules = compare(rows, production)
    assert "features still have fractions" in _blocking(rules)
    assert rules["features still have fractions"].observed == "bb_width"


@pytest.mark.points
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("ema_9", "ema_21"),
        ("ema_55", "ema_200"),
        ("higher_highs_count", "lower_lows_count"),
        ("support_breaks", "resistance_breaks"),
        ("funding_rate", "funding_rate_ma"),
    ],
)
def test_columns_with_one_distribution_cannot_be_told_apart(
    compare: Compare, market: pd.DataFrame, production: Reference, first: str, second: str
) -> None:
    """Not catchable by drift: docs/decisions/006-drift.md names these pairs and the reasons."""
    assert _blocking(compare(_swapped(market, first, second), production)) == []


def test_lone_column_that_looks_like_another_is_not_enough() -> None:
    far = {"bb_width": 5.0, "historical_vol": 4.0}
    assert mixed_up(far, {("bb_width", "historical_vol"): 0.1}) == {}
    mirrored = {"support_breaks": 5.0, "resistance_breaks": 5.0}
    pairs = {("support_breaks", "resistance_breaks"): 0.0}
    assert mixed_up(mirrored, pairs | {pair[::-1]: 0.0 for pair in pairs}) == {}


def test_pair_that_changed_places_is_found_by_what_each_looks_like() -> None:
    far = dict.fromkeys("abcd", 5.0)
    links = {("a", "b"): 0.1, ("b", "a"): 0.2, ("c", "a"): 0.3, ("d", "a"): 0.1}
    assert mixed_up(far, links) == {"a": "b", "b": "a"}


def test_feature_that_stands_still_blocks_unless_it_often_did(
    compare: Compare, market: pd.DataFrame, production: Reference
) -> None:
    still = market.assign(adx=30.0, support_breaks=0)
    rules = compare(still, production)
    assert _blocking(rules) == ["features still vary"]
    assert rules["features still vary"].observed == "adx"


def test_feature_that_stood_still_in_training_may_do_so(
    compare: Compare, market: pd.DataFrame
) -> None:
    still = market.assign(adx=30.0)
    assert _blocking(compare(still, _reference(still))) == []
    assert _blocking(compare(market, _reference(still))) == []


def test_no_rows_are_no_drift(
    compare: Compare, market: pd.DataFrame, production: Reference
) -> None:
    rules = compare(market.iloc[:0], production)
    assert all(rule.passed for rule in rules.values())
    assert rules["features as trained"].observed == "nothing to compare"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_values_that_are_not_finite_give_a_verdict(
    compare: Compare, market: pd.DataFrame, production: Reference, value: float
) -> None:
    rules = compare(market.assign(adx=value, ema_9=value, bb_width=0.0), production)
    assert "adx" in rules["features as trained"].observed


def test_every_priced_feature_is_compared_within_its_symbol(production: Reference) -> None:
    assert {name for name, entry in production.features.items() if entry.sizes} == set(PRICED)
