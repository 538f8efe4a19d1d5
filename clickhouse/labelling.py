"""What the labelling list needs of the source, counted or drawn inside ClickHouse; and its table.

The source is only read. Whatever its size, the answers are bounded: a few numbers of each symbol
and block that has labels, and so many rows. A row counts as it is frozen: its newest version.
"""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, text

from clickhouse.quoting import quote, quoted
from clickhouse.snapshot import SOURCE_TABLE, rows_once
from clickhouse.source import KEY, Source, look_at

WANTED_TABLE: Final = "regime_labels_wanted"
_LABEL: Final = "regime_label"
_LOT: Final = "cityHash64(s, t)"
_YEAR: Final = 365 * 86_400
"""Earlier times are none: the data gate refuses them, as it does those to come."""
_COLUMNS: Final = {
    "rank": "UInt32",
    "symbol": "String",
    "timestamp": "UInt32",
    "why": "String",
    "production": "String",
    "candidate": "String",
}


@dataclass(frozen=True)
class Extent:
    """What the source spans.

    Attributes:
        first: oldest time, in seconds since 1970; 0 if there are no rows.
        last: newest one.
        blocks: how many blocks of a symbol and a stretch of time have rows.
    """

    first: int
    last: int
    blocks: int


@dataclass(frozen=True)
class Unlabelled:
    """Rows of the source as a person may be asked to label them.

    Attributes:
        source: the table, looked at.
        features: the model's inputs.
        block: length of a block of time in seconds.
        window: seconds that two rows of a symbol lie apart at least so that they share no window.
    """

    source: Source
    features: tuple[str, ...]
    block: int
    window: int
    until: int = 0

    @classmethod
    def of(
        cls, connection: Connection, features: Sequence[str], block: int, window: int
    ) -> "Unlabelled":
        """Looks at the source.

        Raises:
            ClickHouseRefused: as a freeze does.
        """
        source = look_at(connection, SOURCE_TABLE, (*KEY, *features, _LABEL))
        return cls(source, tuple(features), block, window, until=int(time.time()))

    def extent(self, connection: Connection) -> Extent:
        """First and last time and number of blocks, of all rows."""
        blocks = f"uniqExact(s, intDiv(t, {self.block}))"
        query = f"SELECT min(t), max(t), {blocks} FROM ({self._rows()}) SETTINGS final = 1"
        return Extent(*map(int, connection.execute(text(query)).one()))

    def count_labels(
        self, connection: Connection, regimes: Sequence[str]
    ) -> dict[tuple[str, int], tuple[int, ...]]:
        """Labels of each symbol and block: how many of each regime, then of any other name."""
        known = ", ".join(map(quote, regimes))
        of = [f"label = {quote(regime)}" for regime in regimes] + [f"label NOT IN ({known})"]
        counts = ", ".join(f"uniqExactIf(t, {condition})" for condition in of)
        query = (
            f"SELECT s, intDiv(t, {self.block}) AS block, {counts} FROM ({self._rows()}) "
            "WHERE label != '' GROUP BY s, block SETTINGS final = 1"
        )
        found = connection.execute(text(query))
        return {(str(s), int(block)): tuple(map(int, n)) for s, block, *n in found}

    def draw(self, connection: Connection, rows: int, blocks: int) -> list[tuple[Any, ...]]:
        """Draws by lot unlabelled rows that no labelled row's window overlaps, from every block.

        Args:
            connection: to the server.
            rows: about how many.
            blocks: how many blocks there are; if more than rows, some of them are drawn.

        Returns:
            Symbol, seconds, hash and features of each, by time and symbol; the same rows each time.
        """
        parts = max(1, rows // max(1, blocks))
        lots = f"SELECT s, t, {_LOT} AS lot FROM ({self._free()})"
        # The smallest of each part of a block: as many aggregates as rows, however many are read.
        drawn = (
            f"SELECT s, argMin(t, lot) AS drawn FROM ({lots}) GROUP BY s, intDiv(t, {self.block}), "
            f"lot % {parts} ORDER BY min(lot), s, drawn LIMIT {rows}"
        )
        return self._read(connection, drawn)

    def draw_labelled(self, connection: Connection, rows: int) -> list[tuple[Any, ...]]:
        """Draws by lot at most so many labelled rows; the label comes last, after the features."""
        some = f"SELECT DISTINCT s, t FROM ({self._rows()}) WHERE label != ''"
        drawn = f"SELECT s, t FROM ({some}) ORDER BY {_LOT} LIMIT {rows}"
        return self._read(connection, drawn, _LABEL)

    def _read(self, connection: Connection, drawn: str, *texts: str) -> list[tuple[Any, ...]]:
        columns = (*self.features, *texts)
        whole, _ = rows_once(self.source, columns, "1", texts, repeated=True)
        selected = [f"toFloat64({quoted(name)})" for name in self.features]
        selected += [f"toString({quoted(name)})" for name in texts]
        query = (
            f"SELECT toString(symbol) AS s, toUInt32(timestamp) AS t, {_LOT}, "
            f"{', '.join(selected)} FROM ({whole}) WHERE (s, t) GLOBAL IN ({drawn}) "
            "ORDER BY t, s LIMIT 1 BY s, t SETTINGS final = 1"
        )
        return [tuple(row) for row in connection.execute(text(query))]

    def _rows(self) -> str:
        """Symbol, seconds and label of all rows that have a symbol and a time."""
        whole, _ = rows_once(self.source, (_LABEL,), "1", (_LABEL,), repeated=True)
        return (
            "SELECT toString(symbol) AS s, toUInt32(timestamp) AS t, "
            f"toString({quoted(_LABEL)}) AS label FROM ({whole}) "
            f"WHERE s != '' AND t > {_YEAR} AND t <= {self.until}"
        )

    def _free(self) -> str:
        """Unlabelled rows that lie a window or more from every label of their symbol."""
        stretch = f"intDiv(t, {self.window})"
        marked = (
            f"SELECT s, toInt64({stretch}) AS d, min(t) AS a, max(t) AS b FROM ({self._rows()}) "
            "WHERE label != '' GROUP BY s, d"
        )
        # A label keeps its own stretch whole, a part of the next and a part of the one before.
        kept = (
            f"SELECT s, d + o AS e, max(o = 0) AS own, maxIf(b, o = 1) + {self.window} AS since, "
            f"minIf(a, o = -1) - {self.window} AS until, max(o = -1) AS ends FROM "
            f"(SELECT s, d, a, b, arrayJoin([-1, 0, 1]) AS o FROM ({marked})) GROUP BY s, e"
        )
        return (
            f"SELECT r.s AS s, r.t AS t FROM (SELECT s, t, toInt64({stretch}) AS e "
            f"FROM ({self._rows()}) WHERE label = '') AS r LEFT JOIN ({kept}) AS k "
            "ON r.s = k.s AND r.e = k.e "
            "WHERE k.own = 0 AND r.t >= k.since AND (k.ends = 0 OR r.t <= k.until)"
        )


def write_wanted(
    engine: Engine, database: str | None, rows: Iterable[Sequence[Any]], comment: str
) -> None:
    """Puts the list in place of the former one: readers see the one or the other.

    Args:
        engine: an engine on the server.
        database: where the snapshots are; None means the connection's own.
        rows: rank, symbol, seconds since 1970, reason, and both models' predictions.
        comment: of the table.

    Raises:
        ClickHouseRefused: if a right is missing.
    """
    kind = f"Array(Tuple({', '.join(_COLUMNS.values())}))"
    columns = [f"tupleElement(row, {k}) AS {name}" for k, name in enumerate(_COLUMNS, start=1)]
    columns[2] = "toDateTime(tupleElement(row, 3), 'UTC') AS timestamp"
    place = f"{quoted(database)}.{WANTED_TABLE}" if database else WANTED_TABLE
    query = (
        f"CREATE OR REPLACE TABLE {place} ENGINE = MergeTree ORDER BY rank COMMENT :comment AS "
        f"SELECT {', '.join(columns)} FROM (SELECT arrayJoin(JSONExtract(:rows, '{kind}')) AS row)"
    )
    values = {"comment": comment, "rows": json.dumps([list(row) for row in rows])}
    with engine.connect() as connection:
        connection.execute(text(query), values)
