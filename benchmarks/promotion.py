"""How often the promotion rule is right: simulated weeks with models whose true accuracy is known.

    python -m benchmarks.promotion [--weeks 1000]

A week is a holdout of labelled rows of four symbols. Regimes and the hours that people label are
drawn as the sample market draws them; production is right on 75% of all rows there could be, the
candidate on more or fewer. Being right is drawn from normal variables that both models share in
part and that last: for some hours, as measured on forests and the sample market, or, which is
harder on every rule, in half as long as the regime does. Each week goes through
`ml.evaluation.promotion` itself. The section "Promotion rule" of RESULTS.md is written anew.
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.stats import norm
from tabulate import tabulate

from benchmarks.results import put_section
from ml.evaluation.paired import Comparison
from ml.evaluation.promotion import Evidence, PromotionThresholds, decide
from sample_market.market import pick_labelled
from sample_market.regimes import draw_path

PRODUCTION: Final = 0.75
DIFFERENCES: Final = (-0.05, -0.03, 0.0, 0.03, 0.05)
ROWS: Final = (60, 200, 400, 1_000, 2_500)
SYMBOLS: Final = 4
LABELLED: Final = 1 / 6
LASTING_HOURS: Final = 7.0
"""Then rows 1, 3 and 6 hours apart are as alike in being right as those of a forest on the sample
market: correlations of 0.6, 0.4 and 0.2."""
RULES: Final[Mapping[str, PromotionThresholds]] = {
    "plain": PromotionThresholds(),
    "MIN_IMPROVEMENT 0.01": PromotionThresholds(min_improvement=0.01),
    "MIN_IMPROVEMENT 0.02": PromotionThresholds(min_improvement=0.02),
    "MAX_P_VALUE 0.3": PromotionThresholds(max_p_value=0.3),
    "MAX_P_VALUE 0.05": PromotionThresholds(max_p_value=0.05),
}


@dataclass(frozen=True)
class Market:
    """How errors come.

    Attributes:
        name: in words.
        by_regime: part of the variance that is the same within a stretch of a regime.
        shared: part of the variance that both models have in common.
    """

    name: str
    by_regime: float
    shared: float


MARKETS: Final = (
    Market("Errors last for hours, models much alike", 0.0, 0.9),
    Market("Errors last as long as the regime, models much alike", 0.5, 0.9),
    Market("Errors last as long as the regime, models less alike", 0.5, 0.7),
)

Latent = NDArray[np.float64]


@dataclass(frozen=True)
class Week:
    """Normal variables of the labelled rows of one holdout; a low one means the model is right."""

    production: Latent
    candidate: Latent


def draw_week(rows: int, market: Market, rng: np.random.Generator) -> Week:
    """Draws one holdout.

    Args:
        rows: labelled rows in it.
        market: how errors come.
        rng: source of every random number.
    """
    hours = int(np.ceil(rows / SYMBOLS / LABELLED))
    stretches = [draw_path(hours, rng).stretch for _ in range(SYMBOLS)]
    symbols = np.repeat(np.arange(SYMBOLS), hours)
    picked = pick_labelled(np.tile(np.arange(hours), SYMBOLS), symbols, LABELLED, rng)
    shared, one, other = (
        np.concatenate([_lasting(stretch, market.by_regime, rng) for stretch in stretches])[picked][
            :rows
        ]
        for _ in range(3)
    )
    common, own = np.sqrt(market.shared), np.sqrt(1 - market.shared)
    return Week(common * shared + own * one, common * shared + own * other)


@dataclass(frozen=True)
class Outcome:
    """What came of many weeks.

    Attributes:
        live: share of the weeks in which the candidate goes live, by rule and difference.
        disagree: share of rows on which one of two equally good models alone is right.
        spread: standard deviation of the measured difference of two equally good models, relative
            to what independent rows would have.
    """

    live: dict[tuple[str, float], float]
    disagree: float
    spread: float


def simulate_weeks(rows: int, market: Market, weeks: int, seed: int) -> Outcome:
    """Draws weeks and decides each one by every rule."""
    rng = np.random.default_rng(seed)
    live = dict.fromkeys(((name, d) for name in RULES for d in DIFFERENCES), 0)
    equals = []
    for _ in range(weeks):
        for difference, evidence in _evidence(draw_week(rows, market, rng)):
            for name, thresholds in RULES.items():
                live[name, difference] += decide(evidence, thresholds).deploy
            if difference == 0 and evidence.comparison:
                equals.append(evidence.comparison)
    alone = np.array([(p.only_candidate_correct, p.only_production_correct) for p in equals])
    return Outcome(
        {cell: count / weeks for cell, count in live.items()},
        disagree=float(alone.sum(axis=1).mean()) / rows,
        spread=float((alone[:, 0] - alone[:, 1]).std() / np.sqrt(alone.sum(axis=1).mean())),
    )


def _lasting(stretch: NDArray[np.int64], by_regime: float, rng: np.random.Generator) -> Latent:
    """Normal numbers that forget over hours, plus one number a stretch of a regime `[hours]`."""
    kept = np.exp(-1 / LASTING_HOURS)
    noise = rng.normal(size=len(stretch))
    noise[1:] *= np.sqrt(1 - kept**2)
    hourly = lfilter([1], [1, -kept], noise)
    of_stretch = rng.normal(size=int(stretch.max()) + 1)[stretch]
    return np.asarray(np.sqrt(1 - by_regime) * hourly + np.sqrt(by_regime) * of_stretch)


def _evidence(week: Week) -> Iterator[tuple[float, Evidence]]:
    production = week.production < norm.ppf(PRODUCTION)
    for difference in DIFFERENCES:
        candidate = week.candidate < norm.ppf(PRODUCTION + difference)
        both = int((candidate & production).sum())
        right = int(candidate.sum())
        pairs = Comparison(len(production), both, right - both, int(production.sum()) - both)
        yield difference, Evidence(len(production), right, len(production) // 3, pairs)


def _table(market: Market, weeks: int, seed: int) -> str:
    lines = []
    for rows in ROWS:
        found = simulate_weeks(rows, market, weeks, seed + rows)
        for name in RULES:
            cells = {f"{100 * d:+.0f}": f"{found.live[name, d]:.1%}" for d in DIFFERENCES}
            told = {"disagree": f"{found.disagree:.0%}", "spread": f"{found.spread:.1f}"}
            lines.append({"rows": f"{rows:,}", "rule": name, **cells, **told})
    return f"{market.name}:\n\n{tabulate(lines, 'keys', 'github', disable_numparse=True)}"


def main() -> None:
    """Runs the simulation and writes the section."""
    described = argparse.ArgumentParser(description="How often the promotion rule is right.")
    described.add_argument("--weeks", type=int, default=1_000, help="weeks a cell")
    described.add_argument("--seed", type=int, default=1)
    given = described.parse_args()
    tables = "\n\n".join(_table(market, given.weeks, given.seed) for market in MARKETS)
    command = f"python -m benchmarks.promotion --weeks {given.weeks} --seed {given.seed}"
    body = f"""\
`{command}`, {datetime.now(UTC):%Y-%m-%d}.

Share of {given.weeks:,} weeks in which a candidate goes live whose true accuracy is so many points
above or below production's {PRODUCTION:.0%}, by the labelled rows of the holdout.

{tables}

`disagree`: share of rows on which only one of two equally good models is right. `spread`: how many
times as far their measured difference scatters as it would with independent rows."""
    put_section("Promotion rule", body)
    print(body)


if __name__ == "__main__":
    main()
