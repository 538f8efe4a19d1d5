"""Whatever stands behind the name of the source: the newest version of a row counts, or no run."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from clickhouse.errors import ClickHouseRefused
from clickhouse.snapshot import freeze
from clickhouse.source import PASSING_ON, UNFIT, VERSIONS, family
from ml.contract import COLUMN_TYPES, FEATURES

HOUR = "toStartOfHour(now())"
COLUMNS = ", ".join(("symbol", "timestamp", *FEATURES, "regime_label"))

Run = Callable[[str], list[tuple[object, ...]]]


@pytest.fixture
def run(any_engine: Engine) -> Run:
    """Runs SQL in which `source` stands for `regime_features`, which is not there at first."""

    def execute(sql: str) -> list[tuple[object, ...]]:
        with any_engine.connect() as connection:
            answer = connection.execute(text(sql.replace("source", "regime_features")))
            return [tuple(row) for row in answer.all()]

    execute("DROP TABLE source")
    return execute


def table_of(engine: str, name: str = "source", order: str | None = "symbol, timestamp") -> str:
    """The DDL of a source with another engine, and with a column of the insertion."""
    body = ", ".join(f"{column} {kind}" for column, kind in COLUMN_TYPES.items())
    ordered = f" ORDER BY ({order})" if order else ""
    further = "inserted_at UInt32 DEFAULT 0, sign Int8 DEFAULT 1"
    return f"CREATE TABLE {name} ({body}, {further}) ENGINE = {engine}{ordered}"


def rows_of(
    label: str, hours: int = 20, *, inserted: int = 0, adx: str = "20", sign: int = 1
) -> str:
    """SQL of rows of one symbol, an hour each."""
    values = ", ".join(adx if name == "adx" else "1" for name in FEATURES)
    return (
        f"SELECT 'A', {HOUR} - toIntervalHour(number), {values}, '{label}', {inserted}, {sign} "
        f"FROM numbers({hours})"
    )


def put(run: Run, rows: str, table: str = "source") -> None:
    run(f"INSERT INTO {table} ({COLUMNS}, inserted_at, sign) {rows}")


def two_versions(run: Run, table: str = "source") -> None:
    """Twenty labelled rows, five of whose labels are taken back."""
    put(run, rows_of("range", inserted=1), table)
    put(run, rows_of("", 5, inserted=2), table)


def frozen_rows(engine: Engine) -> int:
    return freeze(engine, "run", FEATURES).rows


def refusal(engine: Engine) -> str:
    with pytest.raises(ClickHouseRefused) as caught:
        freeze(engine, "run", FEATURES)
    return str(caught.value)


VERSIONED = {
    "ReplacingMergeTree": ("ReplacingMergeTree", "symbol, timestamp"),
    "with a version": ("ReplacingMergeTree(inserted_at)", "symbol, timestamp"),
    "reversed key": ("ReplacingMergeTree", "timestamp, symbol"),
    "partitioned by insertion": (
        "ReplacingMergeTree PARTITION BY inserted_at",
        "symbol, timestamp",
    ),
    "CoalescingMergeTree": ("CoalescingMergeTree", "symbol, timestamp"),
}
BETWEEN = {
    "table": "RENAME TABLE base TO source",
    "view": "CREATE VIEW source AS SELECT * FROM base",
    "view that filters": "CREATE VIEW source AS SELECT * FROM base WHERE regime_label != ''",
    "view of a view": "CREATE VIEW between AS SELECT * FROM base;"
    "CREATE VIEW source AS SELECT * FROM between",
    "Merge": "CREATE TABLE source AS base ENGINE = Merge(currentDatabase(), '^base$')",
    "Buffer": "CREATE TABLE source AS base ENGINE = "
    "Buffer(currentDatabase(), 'base', 1, 10, 10, 10, 10, 10, 10)",
}


@pytest.mark.parametrize("between", BETWEEN.values(), ids=BETWEEN.keys())
@pytest.mark.parametrize(("kind", "order"), VERSIONED.values(), ids=VERSIONED.keys())
def test_freeze_through_any_table_takes_the_newest_versions(
    any_engine: Engine, run: Run, between: str, kind: str, order: str
) -> None:
    run(table_of(kind, "base", order))
    run("SYSTEM STOP MERGES base")
    two_versions(run, "base")
    for statement in between.split(";"):
        run(statement)
    assert frozen_rows(any_engine) == 15


def test_freeze_of_a_materialized_view_takes_the_newest_versions(
    any_engine: Engine, run: Run
) -> None:
    run(table_of("Null", "stream", None))
    columns = f"{COLUMNS}, inserted_at, sign"
    run(
        "CREATE MATERIALIZED VIEW source ENGINE = ReplacingMergeTree ORDER BY (symbol, timestamp) "
        f"AS SELECT {columns} FROM stream"
    )
    two_versions(run, "stream")
    assert frozen_rows(any_engine) == 15


def test_freeze_of_collapsing_rows_counts_none_that_was_taken_back(
    any_engine: Engine, run: Run
) -> None:
    run(table_of("CollapsingMergeTree(sign)"))
    put(run, rows_of("range"))
    put(run, rows_of("range", 5, sign=-1))
    assert frozen_rows(any_engine) == 15


PLAIN = {
    "MergeTree": ("MergeTree", "symbol, timestamp"),
    "Memory": ("Memory", None),
    "Log": ("Log", None),
    "TinyLog": ("TinyLog", None),
    "longer key": ("ReplacingMergeTree", "symbol, timestamp, inserted_at"),
    "version of a longer key": ("ReplacingMergeTree(inserted_at)", "symbol, timestamp, sign, adx"),
}


@pytest.mark.parametrize(("kind", "order"), PLAIN.values(), ids=PLAIN.keys())
def test_freeze_of_rows_that_are_there_once_takes_all(
    any_engine: Engine, run: Run, kind: str, order: str | None
) -> None:
    run(table_of(kind, order=order))
    put(run, rows_of("range"))
    assert frozen_rows(any_engine) == 20


def test_freeze_of_a_row_written_twice_without_versions_counts_it_once(
    any_engine: Engine, run: Run
) -> None:
    run(table_of("MergeTree"))
    put(run, rows_of("range"))
    put(run, rows_of("range", 5))
    assert frozen_rows(any_engine) == 20


@pytest.mark.parametrize(
    ("kind", "order"),
    [("MergeTree", "symbol, timestamp"), ("ReplacingMergeTree", "symbol, timestamp, inserted_at")],
)
def test_versions_of_which_none_is_known_as_the_newest_are_refused_with_the_row(
    any_engine: Engine, run: Run, kind: str, order: str
) -> None:
    run(table_of(kind, order=order))
    two_versions(run)
    said = refusal(any_engine)
    assert f"({kind} ORDER BY ({order})) has 2 versions of the row A 20" in said
    assert "which is the newest cannot be known" in said and "LIMIT 1 BY" in said


def test_view_that_hides_versions_of_a_longer_key_is_refused(any_engine: Engine, run: Run) -> None:
    run(table_of("ReplacingMergeTree", "base", "symbol, timestamp, inserted_at"))
    two_versions(run, "base")
    run("CREATE VIEW source AS SELECT * FROM base WHERE regime_label != ''")
    assert "base (ReplacingMergeTree ORDER BY (symbol, timestamp, inserted_at)) has 2" in refusal(
        any_engine
    )


def test_rows_of_tables_that_cannot_be_looked_at_are_compared(
    any_engine: Engine, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a `Distributed` table whose own tables lie on other servers only."""
    run(table_of("MergeTree"))
    two_versions(run)
    monkeypatch.setattr("clickhouse.source._beneath", lambda *_: iter(()))
    assert "which is the newest cannot be known" in refusal(any_engine)


def test_view_of_a_view_that_hides_versions_is_refused(any_engine: Engine, run: Run) -> None:
    run(table_of("MergeTree", "base"))
    two_versions(run, "base")
    run("CREATE VIEW between AS SELECT * FROM base WHERE regime_label != ''")
    run("CREATE VIEW source AS SELECT * FROM between")
    assert "base (MergeTree ORDER BY (symbol, timestamp)) has 2" in refusal(any_engine)


def test_filter_of_a_view_that_has_picked_the_newest_is_believed(
    any_engine: Engine, run: Run
) -> None:
    run(table_of("MergeTree", "base"))
    two_versions(run, "base")
    picked = "SELECT * FROM base ORDER BY inserted_at DESC LIMIT 1 BY symbol, timestamp"
    run(f"CREATE VIEW between AS {picked}")
    run("CREATE VIEW source AS SELECT * FROM between WHERE regime_label != ''")
    assert frozen_rows(any_engine) == 15


def test_view_that_picks_the_newest_itself_is_believed(any_engine: Engine, run: Run) -> None:
    run(table_of("MergeTree", "base"))
    two_versions(run, "base")
    run(
        "CREATE VIEW source AS SELECT * FROM base ORDER BY inserted_at DESC "
        "LIMIT 1 BY symbol, timestamp"
    )
    assert frozen_rows(any_engine) == 15


def test_key_shorter_than_a_row_is_judged_by_its_rows(any_engine: Engine, run: Run) -> None:
    run(table_of("MergeTree", order="symbol"))
    put(run, rows_of("range"))
    assert frozen_rows(any_engine) == 20


@pytest.mark.parametrize("kind", ["SummingMergeTree", "AggregatingMergeTree"])
@pytest.mark.parametrize("between", ["table", "view"])
def test_engine_that_mixes_versions_is_refused_by_name(
    any_engine: Engine, run: Run, kind: str, between: str
) -> None:
    run(table_of(kind, "base"))
    put(run, rows_of("range"), "base")
    run(BETWEEN[between])
    assert f"({kind} ORDER BY (symbol, timestamp)): this engine adds up or mixes" in refusal(
        any_engine
    )


def test_table_that_keeps_nothing_is_refused_by_name(any_engine: Engine, run: Run) -> None:
    run(table_of("Null", order=None))
    assert "(Null): this engine keeps no rows" in refusal(any_engine)


def test_every_engine_of_the_server_stands_in_the_documentation(any_engine: Engine) -> None:
    with any_engine.connect() as connection:
        engines = set(connection.execute(text("SELECT name FROM system.table_engines")).scalars())
    assert engines >= PASSING_ON | VERSIONS
    told = documented_engines()
    assert {family(engine) for engine in engines} <= told.keys()
    for engine, done in told.items():
        expected = (
            "refused"
            if engine in UNFIT
            else "looked at"
            if engine in PASSING_ON
            else "newest"
            if engine in VERSIONS
            else "once"
        )
        assert expected in done, engine


def documented_engines() -> dict[str, str]:
    """What docs/clickhouse.md says is done, by engine."""
    page = (Path(__file__).parents[2] / "docs/clickhouse.md").read_text(encoding="utf-8")
    table = page.split("## Engines")[1].split("## ")[0]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| `")]
    return {
        name.strip(" `"): done for names, done in rows for name in names.split(",") if name.strip()
    }
