"""Guards a freeze where the source is a `Distributed` table: every shard, and each row on one."""

from typing import Final

from sqlalchemy import Connection, text

from clickhouse.engine import quoted, where
from clickhouse.errors import ClickHouseRefused

WHOLE: Final = "skip_unavailable_shards = 0"
"""A setting of the query: rows of a shard that is down must not be missing in silence."""


def require_versions_together(connection: Connection, source: str) -> None:
    """Checks that all versions of a row lie on one shard; other tables pass unread.

    `FINAL` merges within a shard only, so of versions on two shards both would count, or a label
    that was taken back would live on.

    Args:
        connection: to the server that has `source`.
        source: table of the connection's database, whose rows are named by symbol and timestamp.

    Raises:
        ClickHouseRefused: naming a row and its shards.
    """
    engine = "SELECT engine FROM system.tables WHERE database = currentDatabase() AND name = :name"
    if connection.execute(text(engine), {"name": source}).scalar() != "Distributed":
        return
    table = quoted(source)
    apart = connection.execute(
        text(
            "SELECT symbol, timestamp, arrayStringConcat(arraySort(groupUniqArray(_shard_num)), "
            f"' and ') AS shards FROM {table} WHERE symbol GLOBAL IN (SELECT symbol FROM {table} "
            "GROUP BY symbol HAVING uniqExact(_shard_num) > 1) GROUP BY symbol, timestamp "
            f"HAVING uniqExact(_shard_num) > 1 ORDER BY symbol, timestamp LIMIT 1 SETTINGS {WHOLE}"
        )
    ).first()
    if apart:
        raise ClickHouseRefused(
            where(connection.engine.url),
            f"table {source} has versions of the row {apart.symbol} {apart.timestamp} on its "
            f"shards {apart.shards}, where they cannot replace each other.",
            "let the Distributed table send each symbol to one shard (docs/operations.md) and "
            "remove the copies on the wrong shard",
        )
