"""Bars that an exchange could have published."""

import numpy as np

from ml.contract import REGIMES
from sample_market.regimes import draw_path


def test_bars_hold_open_and_close_between_low_and_high(bars):
    opens = bars.close.shift().iloc[1:]
    high, low, close = bars.high.iloc[1:], bars.low.iloc[1:], bars.close.iloc[1:]
    for price in (opens, close):
        assert (price <= high * (1 + 1e-12)).all(axis=None)
        assert (price >= low * (1 - 1e-12)).all(axis=None)
    assert (low > 0).all(axis=None)


def test_bars_wicks_reach_beyond_open_and_close(bars):
    body = (np.log(bars.close) - np.log(bars.close.shift())).abs().iloc[1:]
    whole = (np.log(bars.high) - np.log(bars.low)).iloc[1:]
    # Of a random walk, the expected range is twice the expected move of its end.
    assert 1.7 < whole.mean().mean() / body.mean().mean() < 2.3


def test_bars_flows_are_positive(bars):
    assert (bars.volume > 0).all(axis=None)
    assert (bars.liquidations > 0).all(axis=None)
    assert (bars.liquidations < bars.volume).mean().mean() > 0.999


def test_draw_path_stretches_last_one_to_five_days():
    path = draw_path(8_000, np.random.default_rng(1))
    lengths = np.bincount(path.stretch)[:-1]
    assert lengths.min() >= 24
    assert lengths.max() <= 120
    assert lengths.std() > 10
    assert (path.age == np.arange(8_000) - np.searchsorted(path.stretch, path.stretch)).all()


def test_draw_path_rounds_hold_every_regime_in_changing_order():
    path = draw_path(8_000, np.random.default_rng(1))
    jumps = path.regime[path.age == 0]
    rounds = [tuple(jumps[i : i + 7]) for i in range(0, len(jumps) - 6, 7)]
    assert all(sorted(one) == list(range(len(REGIMES))) for one in rounds)
    assert len(set(rounds)) > len(rounds) / 2
    assert (np.diff(jumps) != 0).all()
