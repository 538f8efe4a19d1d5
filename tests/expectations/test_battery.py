"""The good market spoiled in every way we know: each is caught by the rule meant for it.

What no rule can catch stands in `UNCAUGHT`, with the reason, and is shown to pass.
"""

import pytest

from tests.expectations.frozen_market import FrozenMarket, rows
from tests.expectations.spoiled_markets import SPOILED, UNCAUGHT, UNREADABLE, Spoiled, Uncaught


def test_good_market_raises_neither_failure_nor_warning(market: FrozenMarket) -> None:
    report = market.judge(rows())
    assert (report.failed_rules, report.warnings, report.samples) == ((), (), 1200)


@pytest.mark.points
@pytest.mark.parametrize("case", SPOILED, ids=lambda case: case.name)
def test_spoiled_market_is_caught_by_the_rule_meant_for_it(
    market: FrozenMarket, case: Spoiled
) -> None:
    report = market.judge(case.select, **case.bounds)
    assert {rule.rule for rule in report.failed_rules} == set(case.caught_by)
    assert set(case.warned_by) <= {rule.rule for rule in report.warnings}
    assert report.passed is not bool(case.caught_by)


@pytest.mark.parametrize("case", UNREADABLE, ids=lambda case: case.name)
def test_column_that_cannot_be_computed_with_is_rejected_by_its_type(
    market: FrozenMarket, case: Spoiled
) -> None:
    report = market.judge(case.select)
    assert [rule.rule for rule in report.failed_rules] == list(case.caught_by)
    assert (report.samples, len(report.rules)) == (1200, 2)


@pytest.mark.parametrize("case", UNCAUGHT, ids=lambda case: case.name)
def test_market_that_no_rule_can_catch_passes(market: FrozenMarket, case: Uncaught) -> None:
    report = market.judge(case.select)
    assert (report.failed_rules, report.warnings) == ((), ()), case.because
