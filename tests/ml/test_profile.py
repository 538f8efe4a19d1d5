"""The profile says what the training rows looked like, exactly, and stays small."""

import json
from dataclasses import replace

import numpy as np

from ml.contract import COUNTS, FEATURES, PRICED, REGIMES
from ml.data.profile import profile_of
from ml.data.samples import Samples
from ml.onnx_model import profile_in


def _with(samples: Samples, feature: str, values: object) -> Samples:
    features = samples.features.copy()
    features[:, FEATURES.index(feature)] = values
    return replace(samples, features=features)


def test_bins_of_distinct_values_hold_a_tenth_each(samples):
    adx = profile_of(_with(samples, "adx", np.arange(600)))["features"]["adx"]
    assert adx["edges"] == [59, 119, 179, 239, 299, 359, 419, 479, 539]
    assert adx["counts"] == [60] * 10


def test_bins_of_every_feature_agree_with_a_histogram(samples):
    for name, entry in profile_of(samples)["features"].items():
        values = samples.features[:, FEATURES.index(name)].astype(np.float64)
        # numpy's bins include their left edge, ours the right one: mirror both.
        ends = [-np.inf, *(-np.float64(np.float32(edge)) for edge in entry["edges"][::-1]), np.inf]
        counts, _ = np.histogram(-values, ends)
        assert counts[::-1].tolist() == entry["counts"]


def test_tied_deciles_are_merged_and_no_bin_is_empty(samples):
    values = np.where(np.arange(600) < 450, 0, np.arange(600) % 3)
    entry = profile_of(_with(samples, "support_breaks", values))["features"]["support_breaks"]
    assert entry["edges"] == [0, 1]
    assert entry["counts"] == [500, 50, 50]


def test_constant_feature_has_no_edges(samples):
    entry = profile_of(_with(samples, "adx", 0.0))["features"]["adx"]
    assert (entry["edges"], entry["counts"], entry["constant"]) == ([], [600], True)
    assert entry["size"] is None


def test_edges_survive_json_as_the_same_float32(samples):
    for name, entry in json.loads(json.dumps(profile_of(samples)))["features"].items():
        edges = np.array(entry["edges"], dtype=np.float32)
        assert np.isin(edges, samples.features[:, FEATURES.index(name)]).all()


def test_size_is_the_middle_half_without_zeros(samples):
    values = np.concatenate([np.zeros(499), -np.arange(1.0, 102)])
    assert profile_of(_with(samples, "funding_rate", values))["features"]["funding_rate"][
        "size"
    ] == [26, 76]


def test_size_of_few_values_is_not_told(samples):
    values = np.where(np.arange(600) < 19, 5.0, 0)
    assert profile_of(_with(samples, "funding_rate", values))["features"]["funding_rate"][
        "size"
    ] is (None)


def test_priced_features_have_a_size_for_each_symbol_and_counts_none(samples):
    values = np.where(samples.symbols == "BTC", 60_000.0, 3_000.0)
    profile = profile_of(_with(samples, "ema_9", values))["features"]
    assert profile["ema_9"]["sizes"] == {"BTC": [60_000, 60_000], "ETH": [3_000, 3_000]}
    assert {name for name, entry in profile.items() if "sizes" in entry} == set(PRICED)
    assert {name for name, entry in profile.items() if len(entry) == 4} == set(COUNTS)


def test_only_the_200_symbols_with_most_rows_have_sizes(make_samples):
    symbols = tuple(f"S{number:03d}" for number in range(210))
    rows = 210 * 25 - 10
    sizes = profile_of(make_samples(rows, symbols=symbols))["features"]["ema_9"]["sizes"]
    assert set(sizes) == set(symbols[:200])


def test_rows_days_and_regimes_are_counted(make_samples):
    # Two symbols, 25 hours: two days each.
    profile = profile_of(make_samples(50, regimes=(0, 3)))
    assert (profile["rows"], profile["symbol_days"]) == (50, 4)
    assert list(profile["regimes"]) == list(REGIMES)
    assert sum(profile["regimes"].values()) == 50 and profile["regimes"]["range"] == 0


def test_profile_is_a_few_kilobytes_and_the_same_each_time(samples):
    first, second = (json.dumps(profile_of(samples), allow_nan=False) for _ in range(2))
    assert first == second
    assert len(first) < 12_000


def test_profile_of_the_training_rows_is_in_the_metrics_and_in_the_file(samples, built):
    profile = built.metrics["profile"]
    assert profile["rows"] == built.metrics["train_samples"] < len(samples)
    assert profile["regimes"] == built.metrics["train_class_counts"]
    assert profile_in(built.model) == profile
    assert profile_in(b"no model") is None
