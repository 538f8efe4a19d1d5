"""ClickHouse: schema, engine, embedded dialect, frozen snapshots."""
