"""What changes for the application: two models asked the same unlabelled rows."""

import numpy as np

from ml.contract import REGIMES
from ml.evaluation.comparison import compare_answers
from ml.onnx_model import load_model, score
from ml.training.export import export_forest
from ml.training.forest import fit_forest


def test_change_counts_rows_by_pair_and_symbol_and_says_it_in_words(samples, options, model):
    other = load_model(export_forest(fit_forest(samples.features, samples.labels[::-1], options)))
    production = load_model(model)
    rows = {
        "features": samples.features.copy(),
        "timestamps": samples.timestamps,
        "symbols": samples.symbols,
    }
    rows["features"][0, 0] = np.inf
    told = compare_answers(rows, other, production)
    new, old = (score(session, samples.features[1:])[0] for session in (other, production))
    assert (told["rows"], told["differ"]) == (599, np.mean(new != old))
    first = told["pairs"][0]
    before, after = REGIMES.index(first["production"]), REGIMES.index(first["candidate"])
    assert first["rows"] == np.sum((old == before) & (new == after)) > 0
    shares = {one["symbol"]: one["differ"] for one in told["symbols"]}
    btc = samples.symbols[1:] == "BTC"
    assert shares["BTC"] == np.mean((new != old)[btc])
    assert told["words"][0].startswith("On the newest 599 unlabelled rows of 13 days")


def test_equal_models_change_nothing_and_no_rows_say_nothing(samples, model):
    session = load_model(model)
    rows = {name: getattr(samples, name) for name in ("features", "timestamps", "symbols")}
    told = compare_answers(rows, session, session)
    assert told["differ"] == 0 and told["pairs"] == [] and len(told["words"]) == 2
    none = {name: values[:0] for name, values in rows.items()}
    assert compare_answers(none, session, session) is None
