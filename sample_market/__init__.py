"""A simulated market with known regimes, for the demo, the tests and the benchmarks."""
