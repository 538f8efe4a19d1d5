"""What stands behind the name of the source table, and whether it has each row once.

Asked of the server, through views and other tables that only pass on: the engine that keeps the
rows decides which of two versions of a row counts. Where that cannot be known, a freeze is refused.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection, text

from clickhouse.conversion import Role, converted
from clickhouse.engine import where
from clickhouse.errors import ClickHouseRefused
from clickhouse.quoting import quoted

KEY: Final = ("symbol", "timestamp")
"""What names a row."""

VERSIONS: Final = frozenset({
    *("ReplacingMergeTree", "CoalescingMergeTree", "CollapsingMergeTree"),
    "VersionedCollapsingMergeTree",
})  # fmt: skip
"""Engines that keep the newest version of each key; `final` asks for it before parts are merged."""

PASSING_ON: Final = frozenset({
    *("View", "MaterializedView", "Distributed", "Merge", "Buffer", "Alias"),
})  # fmt: skip
"""Engines whose rows lie in other tables, which are looked at in their place."""

_SUMS: Final = "adds up or mixes the versions of a row, so none of them is left to count"
_STREAM: Final = "gives each row to one reader only: reading it takes the rows from others"
_RANDOM: Final = "makes up its rows"
UNFIT: Final = {
    **dict.fromkeys(("SummingMergeTree", "AggregatingMergeTree", "GraphiteMergeTree"), _SUMS),
    **dict.fromkeys(("Kafka", "RabbitMQ", "NATS", "Redpanda", "Pulsar"), _STREAM),
    **dict.fromkeys(("FileLog", "S3Queue", "AzureQueue"), _STREAM),
    **dict.fromkeys(("GenerateRandom", "FuzzJSON", "FuzzQuery", "QueryRunner"), _RANDOM),
    "Loop": "repeats its rows without end",
    "Null": "keeps no rows",
    "Set": "cannot be read",
    "TimeSeries": "has no columns of samples",
}
"""Engines that cannot be a source of samples, and why."""

_INSTEAD: Final = (
    "use a ReplacingMergeTree ordered by (symbol, timestamp) as in clickhouse/schema.sql, remove "
    "the older versions, or let a view pick the newest (ORDER BY ... DESC LIMIT 1 BY symbol, "
    "timestamp)"
)
_PICKS: Final = re.compile(r"\b(GROUP BY|LIMIT \d+ BY|DISTINCT|OVER)\b")
_FILTERS: Final = re.compile(r"\b(WHERE|PREWHERE|HAVING|QUALIFY)\b")
_NAME: Final = r"(`(?:[^`\\]|\\.)+`|\w+)"
_READ_BY_VIEW: Final = re.compile(rf"\b(?:FROM|JOIN)\s+{_NAME}\.{_NAME}")
_OWN_OF_VIEW: Final = re.compile(
    r"\bENGINE = `?(\w+)`?.*? ORDER BY (\((?:[^()]|\([^()]*\))*\)|[^ (]+)"
)
"""The table that a materialized view keeps for itself, which need not be visible by its name."""
_WRITTEN_BY_VIEW: Final = re.compile(rf"\bTO {_NAME}\.{_NAME}")
_ARGUMENT: Final = re.compile(r"'((?:[^'\\]|\\.)*)'|(?<=[(, ])(\w[\w.]*)(?=[,)])")
_DEEP: Final = 9


@dataclass(frozen=True)
class Table:
    """A table as `system.tables` has it; `definition` is a view's SELECT, or the engine in full."""

    database: str
    name: str
    engine: str
    sorting_key: str
    definition: str

    @property
    def keeps_one(self) -> bool:
        """Whether the engine itself lets one version of each row count, with `final`."""
        key = {re.sub(r" (DESC|ASC)$", "", part.strip()) for part in self.sorting_key.split(",")}
        return family(self.engine) in VERSIONS and key == set(KEY)

    def __str__(self) -> str:
        ordered = f" ORDER BY ({self.sorting_key})" if self.sorting_key else ""
        return f"{self.database}.{self.name} ({self.engine}{ordered})"


@dataclass(frozen=True)
class Source:
    """The source table, looked at.

    Attributes:
        database: the connection's.
        name: its name there.
        types: ClickHouse type by column.
        once: whether its engine has each row once, so that nothing need be compared.
        cancelled: column that is below zero for a row that takes another back; empty if none.
    """

    database: str
    name: str
    types: dict[str, str]
    once: bool
    cancelled: str

    def sql(self, column: str, role: Role) -> str:
        """SQL of a column as a freeze takes it: converted, where that is needed."""
        return converted(column, self.types[column], role) or quoted(column)


def family(engine: str) -> str:
    """An engine's name without what only says how it is replicated.

    >>> family("ReplicatedReplacingMergeTree"), family("SharedMergeTree")
    ('ReplacingMergeTree', 'MergeTree')
    """
    return re.sub(r"^(Replicated|Shared)(?=\w*MergeTree)", "", engine)


def look_at(connection: Connection, name: str, needed: Sequence[str]) -> Source:
    """Looks at the source table and what is underneath.

    Args:
        connection: to the server that has it.
        name: table or view of the connection's database.
        needed: columns that it must have.

    Raises:
        ClickHouseRefused: if it, a column or a right is missing, or if it has, or may have,
            versions of a row of which nobody can know the newest.
    """
    types = _columns(connection, name, needed)
    database = str(connection.execute(text("SELECT currentDatabase()")).scalar_one())
    top = _find(connection, database, name)
    if top is None:
        raise _refused(connection, f"{name} is not in system.tables.", _show(name))
    beneath = list(_beneath(connection, top))
    for table, _ in beneath:
        unfit = UNFIT.get(family(table.engine))
        if unfit:
            raise _refused(connection, f"{table}: this engine {unfit}.", _INSTEAD)
    _require_versions_together(connection, top)
    # Of tables on other servers nothing is found, so nothing is promised.
    once = bool(beneath) and top.engine not in {"View", "Merge", "Buffer"}
    once = once and all(table.keeps_one for table, _ in beneath)
    if not once:
        _require_one_version(connection, top, top, needed)
        for table, hidden in beneath:
            if hidden and not table.keeps_one:
                _require_one_version(connection, top, table, needed)
    sign = re.match(r"\w*CollapsingMergeTree\((\w+)", beneath[0][0].definition if beneath else "")
    cancelled = sign.group(1) if sign and sign.group(1) in types else ""
    return Source(database, name, types, once, cancelled)


def _columns(connection: Connection, source: str, needed: Sequence[str]) -> dict[str, str]:
    # Without the right to read, DESCRIBE asks for another one than is needed.
    connection.execute(text(f"SELECT 1 FROM {quoted(source)} LIMIT 0"))
    described = connection.execute(text(f"DESCRIBE TABLE {quoted(source)}")).all()
    types = {str(row[0]): str(row[1]) for row in described}
    missing = [column for column in needed if column not in types]
    if missing:
        lacks = f"table {source} lacks the column(s) {', '.join(missing)}."
        raise _refused(connection, lacks, "compare it with clickhouse/schema.sql, add them")
    return types


def _find(connection: Connection, database: str, name: str) -> Table | None:
    found = connection.execute(
        text(
            "SELECT database, name, engine, sorting_key, multiIf(engine = 'View', as_select, "
            "engine = 'MaterializedView', create_table_query, engine_full) AS definition "
            "FROM system.tables WHERE database = :database AND name = :name"
        ),
        {"database": database, "name": name},
    ).first()
    return Table(*map(str, found)) if found else None


def _beneath(
    connection: Connection, table: Table, depth: int = 0, *, hidden: bool = False
) -> Iterator[tuple[Table, bool]]:
    """The tables that hold the rows: the table itself, or those that it reads.

    Yields:
        Each table, and whether a view may hide the newest version of its rows: one that leaves
        rows out does, unless one below it has picked the versions that count.
    """
    if table.engine == "View":
        hidden = not _PICKS.search(table.definition) and (
            hidden or bool(_FILTERS.search(table.definition))
        )
    own = _OWN_OF_VIEW.search(table.definition)
    if table.engine == "MaterializedView" and own:
        yield replace(table, engine=own.group(1), sorting_key=own.group(2).strip("()")), False
        return
    names = list(_names_beneath(connection, table)) if table.engine in PASSING_ON else []
    if not names or depth == _DEEP:
        yield table, hidden
    for database, name in names:
        found = _find(connection, database, name)
        if found:
            yield from _beneath(connection, found, depth + 1, hidden=hidden)
        elif table.engine != "Distributed":  # whose tables lie on other servers
            unseen = f"{database}.{name}"
            raise _refused(
                connection,
                f"{table.name} reads {unseen}, which this user cannot see: whether it drops older "
                "versions of a row cannot be known.",
                _show(unseen),
            )


def _names_beneath(connection: Connection, table: Table) -> Iterator[tuple[str, str]]:
    if table.engine == "View":
        yield from (_unquoted(*found) for found in _READ_BY_VIEW.findall(table.definition))
        return
    if table.engine == "MaterializedView":
        yield _unquoted(*_WRITTEN_BY_VIEW.findall(table.definition)[0])
        return
    arguments = ["".join(found) for found in _ARGUMENT.findall(table.definition)]
    first = 1 if table.engine == "Distributed" else 0
    database, name = ([table.database, *arguments] if len(arguments) == 1 else arguments)[
        first : first + 2
    ]
    if table.engine != "Merge":
        yield database or table.database, name
        return
    listed = "SELECT name FROM system.tables WHERE database = :database AND match(name, :pattern)"
    for found in connection.execute(text(listed), {"database": database, "pattern": name}):
        if (database, found[0]) != (table.database, table.name):
            yield database, str(found[0])


def _unquoted(*names: str) -> tuple[str, str]:
    one, other = (re.sub(r"\\(.)", r"\1", name.strip("`")) for name in names)
    return one, other


def _require_versions_together(connection: Connection, table: Table) -> None:
    """Checks that a `Distributed` table has all versions of a row on one shard.

    `final` merges within a shard only, so of versions on two shards both would count, or a label
    that was taken back would live on.
    """
    if table.engine != "Distributed":
        return
    name = quoted(table.name)
    apart = connection.execute(
        text(
            "SELECT symbol, timestamp, arrayStringConcat(arraySort(groupUniqArray(_shard_num)), "
            f"' and ') AS shards FROM {name} WHERE symbol GLOBAL IN (SELECT symbol FROM {name} "
            "GROUP BY symbol HAVING uniqExact(_shard_num) > 1) GROUP BY symbol, timestamp "
            "HAVING uniqExact(_shard_num) > 1 ORDER BY symbol, timestamp LIMIT 1"
        )
    ).first()
    if apart:
        raise _refused(
            connection,
            f"table {table.name} has versions of the row {apart.symbol} {apart.timestamp} on its "
            f"shards {apart.shards}, where they cannot replace each other.",
            "let the Distributed table send each symbol to one shard (docs/operations.md) and "
            "remove the copies on the wrong shard",
        )


def _require_one_version(
    connection: Connection, top: Table, table: Table, needed: Sequence[str]
) -> None:
    """Checks that a table has no two different rows of one symbol and timestamp."""
    name = f"{quoted(table.database)}.{quoted(table.name)}"
    described = connection.execute(text(f"DESCRIBE TABLE {name}"))
    present = {str(row[0]) for row in described}
    if not present >= set(KEY):
        raise _refused(
            connection,
            f"{top.name} leaves rows of {table} out, whose symbol and timestamp have other names "
            "there: whether it hides the newest version of a row cannot be known.",
            _INSTEAD,
        )
    compared = ", ".join(quoted(column) for column in needed if column in present)
    # Few symbols have a timestamp twice; the rows of the others are not compared.
    suspects = f"SELECT symbol FROM {name} GROUP BY symbol HAVING count() > uniqExact(timestamp)"
    apart = connection.execute(
        text(
            f"SELECT symbol, timestamp, uniqExact(sipHash128({compared})) AS versions FROM {name} "
            f"WHERE symbol GLOBAL IN ({suspects}) GROUP BY symbol, timestamp HAVING versions > 1 "
            "ORDER BY symbol, timestamp LIMIT 1 SETTINGS final = 1"
        )
    ).first()
    if apart:
        raise _refused(
            connection,
            f"{table} has {apart.versions} versions of the row {apart.symbol} {apart.timestamp}, "
            "and which is the newest cannot be known.",
            _INSTEAD,
        )


def _show(name: str) -> str:
    return f"GRANT SHOW TABLES ON {name} to the Connection's user"


def _refused(connection: Connection, answer: str, remedy: str) -> ClickHouseRefused:
    return ClickHouseRefused(where(connection.engine.url), answer, remedy)
