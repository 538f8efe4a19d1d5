"""Contributions that sum to the answer, neighbours that are near, and what is said of no row."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from clickhouse.engine import open_engine
from clickhouse.schema import apply_schema
from clickhouse.snapshot import freeze
from ml.__main__ import main
from ml.contract import FEATURES, REGIMES
from ml.errors import ModelBroken
from ml.evaluation.explanation import Explainer, contributions, explain_row, models_to_explain
from ml.inputs import INPUTS, forest_inputs
from ml.onnx_model import score
from ml.registry.models import write_candidate
from ml.report.explanation import explanation_page
from ml.trees import trees_of
from sample_market.loading import insert
from sample_market.market import simulate
from sample_market.spec import MarketSpec


@pytest.fixture(scope="module")
def explainer(built, samples):
    return Explainer(built.model, samples)


def test_contributions_and_start_sum_to_the_answer_on_every_row(explainer, samples):
    given = forest_inputs(samples.features)
    added = contributions(explainer.trees, explainer.means, given)
    start = explainer.means[explainer.trees.roots].sum(axis=0)
    leaves = explainer.trees.shares[explainer.trees.paths(given)[-1]].sum(axis=1)
    _, probabilities = score(explainer.session, samples.features)

    assert np.abs(start + added.sum(axis=1) - leaves).max() < 1e-12
    assert np.abs(leaves - probabilities).max() < 1e-6
    for row in range(0, len(samples), 40):
        told = explainer.explain(samples.features[row].tolist())
        by_input = np.sum([one["added"] for one in told["contributions"]], axis=0)
        assert np.abs(told["start"] + by_input - told["probabilities"]).max() < 1e-9
        assert np.abs(told["start"] - start).max() < 1e-6
        assert told["regime"] == REGIMES[np.argmax(told["probabilities"])]


def test_start_is_the_mean_answer_of_the_labelled_rows(explainer, samples):
    _, probabilities = score(explainer.session, samples.features)
    start = explainer.means[explainer.trees.roots].sum(axis=0)

    assert start == pytest.approx(probabilities.mean(axis=0), abs=1e-6)


def test_input_that_no_tree_splits_on_adds_nothing(explainer, samples):
    used = set(explainer.trees.inputs[explainer.trees.inputs >= 0].tolist())
    trees = replace(explainer.trees, inputs=np.minimum(explainer.trees.inputs, 0))
    added = contributions(trees, explainer.means, forest_inputs(samples.features))

    assert used == set(range(len(INPUTS)))
    assert not added[:, 1:].any() and added[:, 0].any()


def test_nearest_rows_are_labelled_and_the_row_itself_is_none(explainer, samples):
    key = (str(samples.symbols[7]), f"{samples.timestamps[7]}+00:00")
    told = explainer.explain(samples.features[7].tolist(), but=key)
    unknown = explainer.explain(samples.features[7].tolist())
    distances = [one["distance"] for one in told["nearest"]]

    itself = {"symbol": key[0], "timestamp": key[1], "regime": REGIMES[samples.labels[7]]}
    assert unknown["nearest"][0] == {**itself, "distance": 0}
    assert key not in {(one["symbol"], one["timestamp"]) for one in told["nearest"]}
    assert len(distances) == 5 and distances == sorted(distances) and distances[0] > 0


def test_model_without_a_forest_cannot_be_explained():
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    other = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    node = helper.make_node("Abs", ["x"], ["y"])
    model = helper.make_model(helper.make_graph([node], "g", [value], [other]))

    with pytest.raises(ModelBroken, match="no forest"):
        trees_of(onnx.ModelProto.SerializeToString(model))


def test_page_escapes_names_and_has_every_input(built, samples, tmp_path, store):
    write_candidate(store, built.metrics["run_id"], built.files())
    models = models_to_explain(store)
    key = ("<b>BTC", "2026-01-01T00:00:00+00:00")
    told = explain_row(models, samples, key, samples.features[0].tolist())
    page = explanation_page(told).decode()

    assert "<b>BTC" not in page and "&lt;b&gt;BTC" in page
    assert page.count("<tr>") == 3 + len(REGIMES) + len(INPUTS) + len(told["nearest"])


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A market in an embedded ClickHouse, and a candidate trained on it by the command."""
    folder = tmp_path_factory.mktemp("world")
    url = f"clickhouse+chdb:///default?path={folder / 'clickhouse'}"
    engine = open_engine(url)
    apply_schema(engine)
    market = simulate(MarketSpec(rows=1600, labelled_share=0.6, seed=3))
    insert(engine, market, "regime_features")
    snapshot = freeze(engine, "a", FEATURES)
    where = ("--url", url, "--models-dir", str(folder / "models"))
    trained = ("train", "--snapshot", snapshot.name, "--run-id", "a", "--trees", "12")
    assert main([*trained, "--n-jobs", "1", *where]) == 0
    yield market, where
    engine.dispose()


@pytest.mark.slow
def test_unlabelled_row_is_explained_as_text_and_page(world, tmp_path, capsys):
    market, where = world
    row = market[market["regime_label"] == ""].iloc[-1]
    page = tmp_path / "page.html"
    time = row["timestamp"].strftime("%Y-%m-%dT%H:%M")
    code = main(["explain", row["symbol"], time, "--page", str(page), *where])
    told = capsys.readouterr().out

    assert code == 0
    assert "not labelled" in told and "the candidate of run a: " in told
    assert told.count("2026-") >= 6 and "on average over labelled rows" in told
    assert b"Labelled rows most like it" in page.read_bytes()


@pytest.mark.slow
def test_unknown_time_and_symbol_say_what_is_nearest(world, capsys):
    market, where = world
    symbol = market["symbol"].iloc[0]
    newest = market["timestamp"].max()
    late = main(["explain", symbol, "2030-01-01T00:00", *where])
    time_told = capsys.readouterr().err
    other = main(["explain", symbol[:-1], "2030-01-01T00:00", *where])
    symbol_told = capsys.readouterr().err
    wrong = main(["explain", symbol, "yesterday", *where])

    assert (late, other, wrong) == (2, 2, 2)
    assert f"the nearest: {newest:%Y-%m-%dT%H:%M:%S}+00:00" in time_told
    assert f"There is no row of {symbol[:-1]}" in symbol_told and symbol in symbol_told
    assert "no ISO 8601 time" in capsys.readouterr().err
