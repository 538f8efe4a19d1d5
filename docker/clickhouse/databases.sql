-- Where the pipeline keeps the frozen rows of its runs: the Variable SNAPSHOT_DATABASE.
CREATE DATABASE IF NOT EXISTS regime_snapshots;
