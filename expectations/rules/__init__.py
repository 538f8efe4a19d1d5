"""Kinds of rules: each asks ClickHouse one question. Which rules there are stands in the suite."""
