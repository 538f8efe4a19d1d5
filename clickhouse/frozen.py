"""Finds a table that a past run has frozen, by its name alone, to train on it again."""

from sqlalchemy import Engine, text

from clickhouse.snapshot import Snapshot, _content


def find_snapshot(engine: Engine, name: str) -> Snapshot:
    """Counts and fingerprints a frozen table.

    Args:
        engine: an engine on the server that holds it.
        name: `database.table`; without a database the connection's own is meant.

    Raises:
        ClickHouseRefused: if there is no such table.
    """
    database, _, table = name.rpartition(".")
    with engine.connect() as connection:
        database = database or connection.execute(text("SELECT currentDatabase()")).scalar_one()
        rows, fingerprint = _content(connection, database, table)
    return Snapshot(database, table, rows, fingerprint)
