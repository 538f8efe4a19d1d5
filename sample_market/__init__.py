"""A simulated, partly labelled market, and the way for a person's own rows into ClickHouse."""

from sample_market.market import simulate
from sample_market.spec import MarketSpec

__all__ = ["MarketSpec", "simulate"]
