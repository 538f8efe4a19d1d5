"""How many rows are labelled, where, and how many labels are wrong."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from ml.contract import REGIMES
from sample_market import MarketSpec, simulate
from sample_market.market import CONFUSED_WITH, mislabel

END = datetime(2026, 11, 22, 2, tzinfo=UTC)


@pytest.mark.parametrize(("share", "labelled"), [(0.0, 0), (0.01, 20), (0.5, 1_000), (1.0, 2_000)])
def test_labelled_share_is_met_exactly(share, labelled):
    frame = simulate(MarketSpec(rows=2_000, labelled_share=share, end=END))
    assert (frame["regime_label"] != "").sum() == labelled


@pytest.mark.parametrize("share", [0.02, 1 / 3])
def test_labels_are_spread_over_time_and_symbols(share):
    frame = simulate(MarketSpec(labelled_share=share, end=END))
    labelled = frame["regime_label"] != ""
    by_symbol = labelled.groupby(frame["symbol"]).mean()
    assert by_symbol.between(0.7 * share, 1.3 * share).all()
    tenth = pd.qcut(frame["timestamp"].astype("int64"), 10)
    assert labelled.groupby(tenth, observed=True).mean().between(0.6 * share, 1.4 * share).all()


def test_labels_come_in_short_stretches(market):
    labelled = market["regime_label"] != ""
    lengths = labelled.groupby((labelled != labelled.shift()).cumsum()).agg(["first", "size"])
    assert 1.5 < lengths[lengths["first"]]["size"].mean() < 8


def test_label_error_share_is_met_with_plausible_rivals():
    truth = simulate(MarketSpec(end=END, label_error_share=0.0))
    people = simulate(MarketSpec(end=END, label_error_share=0.05))
    assert truth.drop(columns="regime_label").equals(people.drop(columns="regime_label"))
    wrong = truth["regime_label"] != people["regime_label"]
    assert wrong.sum() == round(0.05 * 4_000)
    pairs = zip(truth["regime_label"][wrong], people["regime_label"][wrong], strict=True)
    assert all(named in CONFUSED_WITH[real] for real, named in pairs)


def test_mislabel_uses_every_rival():
    real = np.zeros(200, dtype=np.int64)
    named = mislabel(real, 1.0, np.random.default_rng(0))
    assert {REGIMES[i] for i in named} == set(CONFUSED_WITH[REGIMES[0]])
