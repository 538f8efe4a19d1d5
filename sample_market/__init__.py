"""A simulated market with known regimes, for the demo, the tests and the benchmarks."""

from sample_market.market import simulate
from sample_market.spec import MarketSpec

__all__ = ["MarketSpec", "simulate"]
