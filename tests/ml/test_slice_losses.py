"""A candidate that is better in all and worse somewhere is found, and kept out where asked."""

import numpy as np
import pytest

from ml.data.samples import Samples
from ml.evaluation.paired import Comparison, losing_slices
from ml.evaluation.promotion import Evidence, PromotionThresholds, decide

SYMBOLS = ("ADA", "BTC", "ETH", "SOL", "XRP")


def compared(change_of_symbol, rows=400, seed=0):
    """Production right in 75%; the candidate so much more often in each symbol."""
    rng = np.random.default_rng(seed)
    n, width = rows * len(SYMBOLS), len(SYMBOLS)
    hours = np.arange(n) // width * np.timedelta64(3600, "s")
    samples = Samples(
        np.zeros((n, 22), np.float32),
        rng.integers(0, 7, n).astype(np.uint8),
        np.datetime64("2026-01-01", "s") + hours,
        np.array(SYMBOLS * rows, dtype=object),
    )
    production = rng.random(n) < 0.75
    shift = np.array([change_of_symbol.get(name, 0) for name in samples.symbols])
    gained = ~production & (rng.random(n) < np.clip(shift, 0, 1) / 0.25)
    lost = production & (rng.random(n) < np.clip(-shift, 0, 1) / 0.75)
    return samples, (production | gained) & ~lost, production, np.ones(n, bool)


def verdict(found, most):
    samples, candidate, production, rows = found
    both = int((candidate & production).sum())
    a, b = int(candidate.sum()) - both, int(production.sum()) - both
    comparison = Comparison(len(rows), both, a, b, slices=losing_slices(*found))
    evidence = Evidence(len(samples), int(candidate.sum()), len(samples) // 3, comparison)
    return decide(evidence, PromotionThresholds(max_slice_loss=most))


WORSE_ON_ETH = {"ETH": -0.2} | dict.fromkeys(("ADA", "BTC", "SOL", "XRP"), 0.09)


def test_candidate_better_in_all_and_worse_on_one_symbol_is_kept_out_by_name_where_asked():
    found = compared(WORSE_ON_ETH)
    assert found[1].mean() - found[2].mean() == pytest.approx(0.03, abs=0.02)

    asked, unasked = verdict(found, 0.05), verdict(found, None)

    assert not asked.deploy and unasked.deploy
    assert [reason.split()[:3] for reason in asked.reasons] == [["symbol", "ETH", "loses"]]
    assert "MAX_SLICE_LOSS 5.0%" in asked.reasons[0]
    assert any("symbol ETH loses" in note for note in unasked.notes)


def test_loss_below_what_is_allowed_is_told_and_lets_pass():
    decision = verdict(compared(WORSE_ON_ETH), 0.3)

    assert decision.deploy
    assert "none of 12 regimes and symbols with enough rows loses" in decision.reasons[-1]


def test_equal_models_lose_nowhere_in_nearly_all_holdouts():
    shuffled = []
    for seed in range(60):
        samples, _, production, rows = compared({}, rows=120, seed=seed)
        other = np.random.default_rng(seed + 1000).permutation(production)
        shuffled.append(bool(losing_slices(samples, other, production, rows).losing))

    assert sum(shuffled) <= 8  # 5% of 60 are 3; more than 8 have a chance of 1%


def test_slice_of_few_rows_is_not_judged():
    samples, candidate, production, rows = compared({"ETH": -0.7}, rows=20)

    assert not any(
        "ETH" in one.name for one in losing_slices(samples, candidate, production, rows).losing
    )


def test_costs_take_part_where_set():
    better = Comparison(1000, 700, 100, 50, costs=(0.5, 0.4))
    decision = decide(Evidence(1000, 800, 300, better), PromotionThresholds())

    assert not decision.deploy
    assert decision.reasons == ("mean cost 0.5 is not below production's 0.4 (DECISION_COSTS)",)
