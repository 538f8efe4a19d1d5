"""The data gate: rules on a frozen table, judged by Great Expectations inside ClickHouse."""
