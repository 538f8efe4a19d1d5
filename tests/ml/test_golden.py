"""The golden rows of a file: what they cover, and what a check with them finds."""

import json

import numpy as np
import pytest

from ml.__main__ import main
from ml.contract import FEATURES, REGIMES
from ml.errors import ModelBroken
from ml.golden import answer_problems, feature_problems, read_golden
from ml.onnx_model import load_model, score
from ml.training.export import export_forest, with_metadata
from ml.training.forest import fit_forest
from ml.training.golden_rows import golden_rows
from sample_market.loading import insert
from sample_market.market import simulate
from sample_market.spec import MarketSpec
from tests.ml.test_acceptance import rounded_up


@pytest.fixture(scope="module")
def golden(built):
    return read_golden(load_model(built.model), "model")


@pytest.fixture
def own(golden):
    """What a good application computes of each golden row, in double precision."""
    # float32 keeps 24 bits, so a double may lie this far off.
    return {
        (row.symbol, row.timestamp): [value * (1 + 2**-25) for value in row.inputs]
        for row in golden.rows
    }


def changed(own, name, change):
    column = FEATURES.index(name)
    return {key: [*v[:column], change(v), *v[column + 1 :]] for key, v in own.items()}


def test_golden_rows_have_every_regime_the_newest_rows_and_pairs_on_thresholds(golden, samples):
    labels = {
        (symbol, str(time)): label
        for symbol, time, label in zip(
            samples.symbols, samples.timestamps, samples.labels, strict=True
        )
    }
    keys = [(row.symbol, row.timestamp.removesuffix("+00:00")) for row in golden.rows]

    assert len(golden.rows) == 32 and len(golden.thresholds) == 16
    assert {labels[key] for key in keys} == set(range(len(REGIMES)))
    assert keys[-1][1] == str(samples.timestamps[-1])
    for low, high in zip(golden.thresholds[::2], golden.thresholds[1::2], strict=True):
        assert np.nextafter(np.float32(low.value), np.float32(np.inf)) == np.float32(high.value)
        assert low.probabilities != high.probabilities


def test_golden_rows_of_few_samples_and_two_regimes_are_all_of_them(make_samples, options):
    few = make_samples(n=24, regimes=(2, 5))
    model = export_forest(fit_forest(few.features, few.labels, options))
    found = golden_rows(model, few)

    assert len(found.rows) == 24
    assert not list(answer_problems(load_model(model), found, "model"))


def test_same_computation_in_double_precision_is_good(golden, own, built):
    assert list(feature_problems(golden, own)) == []
    assert list(answer_problems(load_model(built.model), golden, "model")) == []


@pytest.mark.parametrize(
    ("name", "change", "cause"),
    [
        ("atr_pct", lambda v: v[1] / 100, "each is 0.01 times as large: another unit?"),
        ("ema_9", lambda v: v[6], "these are the values of ema_21"),
        ("adx", lambda v: v[4] * 1.0001, ""),
        ("btc_dominance", lambda v: np.nan, "nan instead of"),
    ],
)
def test_feature_computed_otherwise_is_named_with_its_likely_cause(
    golden, own, name, change, cause
):
    (problem,) = feature_problems(golden, changed(own, name, change))

    assert problem.startswith(f"{name} differs in 32 of 32 rows") and cause in problem


def test_file_that_answers_otherwise_is_told(golden, built):
    session = load_model(rounded_up(built.model))
    (problem,) = answer_problems(session, golden, "model")

    assert "of 48 answers differ" in problem
    # Nothing else would show it: no real row lies that near.
    some = np.array([row.inputs for row in golden.rows])
    assert np.array_equal(score(session, some)[0], [row.output for row in golden.rows])


@pytest.mark.parametrize("entry", ["", "[]", '{"rows": [], "thresholds": []}', '{"rows": [1]}'])
def test_file_without_golden_rows_is_refused(model, entry):
    session = load_model(with_metadata(model, {"golden_rows": entry}))

    with pytest.raises(ModelBroken, match="no golden rows"):
        read_golden(session, "model")


@pytest.fixture(scope="module")
def market():
    spec = MarketSpec(rows=1600, labelled_share=0.6, seed=3)
    return simulate(spec).sort_values(["symbol", "timestamp"])


@pytest.fixture
def check(engine, market, tmp_path, build, capsys):
    """Checks a model of a market against that market, changed by a function."""
    path = tmp_path / "regime_detector.onnx"
    url = engine.url.render_as_string(hide_password=False)
    path.write_bytes(build(_samples_of(market)).model)

    def run(change=lambda frame: frame):
        insert(engine, change(market.copy()), "regime_features")
        code = main(["check", str(path), "--url", url])
        return code, capsys.readouterr().out

    return run


def _samples_of(market):
    from ml.data.samples import Samples

    labelled = market[market["regime_label"] != ""].sort_values(["timestamp", "symbol"])
    return Samples(
        labelled[list(FEATURES)].to_numpy(np.float32),
        labelled["regime_label"].map(REGIMES.index).to_numpy(np.uint8),
        labelled["timestamp"].to_numpy("datetime64[s]"),
        labelled["symbol"].to_numpy(object),
    )


@pytest.mark.slow
def test_check_of_the_table_the_model_was_made_of_is_good(check):
    code, told = check()

    assert (code, told) == (
        0,
        "Good: 48 answers, and the features of 32 of 32 rows, are those of the golden rows\n",
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda f: f.assign(funding_rate=f["funding_rate"] * 100), ["funding_rate"]),
        (lambda f: f.assign(ema_9=f["ema_21"], ema_21=f["ema_9"]), ["ema_9", "ema_21"]),
        (
            lambda f: f.assign(
                historical_vol=f.groupby("symbol")["historical_vol"].shift(1).bfill()
            ),
            ["historical_vol"],
        ),
    ],
    ids=["unit", "exchanged", "window"],
)
def test_check_of_a_table_computed_otherwise_names_the_features(check, change, named):
    code, told = check(change)

    assert code == 1
    assert [line.split()[0] for line in told.splitlines()] == named


@pytest.mark.slow
def test_check_of_a_table_without_the_rows_is_a_no(check):
    code, told = check(lambda frame: frame.head(1))

    assert code == 1 and "none of the 32 golden rows is there" in told


def test_golden_rows_take_less_than_18_kilobytes(built):
    metadata = load_model(built.model).get_modelmeta().custom_metadata_map

    assert len(metadata["golden_rows"]) < 18_000
    assert json.loads(metadata["golden_rows"])["rows"]
