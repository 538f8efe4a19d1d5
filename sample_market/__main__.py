"""Command line: simulate a market, or take a person's own file, and write it somewhere."""

import argparse
import logging
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pandas as pd
import sqlalchemy as sa
from clickhouse_sqlalchemy.exceptions import DatabaseException
from sqlalchemy.exc import SQLAlchemyError

from clickhouse.engine import opened
from ml.contract import REGIMES
from sample_market.errors import BadMarketFile, BadMarketSpec
from sample_market.loading import count_rows, insert, read_file
from sample_market.market import simulate
from sample_market.spec import MarketSpec, first_symbols

_TABLE_TTL = pd.Timedelta(days=365)
_DEFAULTS = MarketSpec()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0, or 2 where it cannot be done."""
    described = parser()
    given = described.parse_args(arguments)
    if given.if_empty and (given.to_parquet or given.to_csv):
        described.error("--if-empty needs a table: give --connection or --url")
    # It logs the traceback of an error that is reported here in one line.
    logging.getLogger("clickhouse_driver").addHandler(logging.NullHandler())
    try:
        print(_run(given))
    except (BadMarketSpec, BadMarketFile) as error:
        return _refuse(str(error))
    except (SQLAlchemyError, DatabaseException, OSError, ValueError) as error:
        target = given.to_parquet or given.to_csv or f"table {given.table}"
        # ClickHouse appends its own stack trace to what it answers.
        reason = " ".join(str(error).split("Stack trace")[0].split())
        return _refuse(f"{target} cannot be written: {reason}")
    return 0


def parser() -> argparse.ArgumentParser:
    """Describes the options."""
    described = argparse.ArgumentParser(
        prog="python -m sample_market",
        description="Writes a simulated, partly labelled market, or your own file of features, to "
        "a file or into the table of features in ClickHouse.",
    )
    _add_source(described)
    _add_target(described)
    return described


def open_target(url: str | None) -> AbstractContextManager[sa.Engine]:
    """Opens the ClickHouse that a URL names; None stands for the Airflow Connection."""
    if url is None:
        from pipeline.connection import clickhouse_engine  # noqa: PLC0415 - takes Airflow, 2 s

        return clickhouse_engine()
    if not url:
        raise BadMarketSpec("--url", url, "a URL like clickhouse+native://host:9000/db")
    return opened(url)


def summary(frame: pd.DataFrame, target: str) -> str:
    """Tells what was written: rows, labels of each regime, time span, target."""
    counts = frame["regime_label"].value_counts()
    labelled = int((frame["regime_label"] != "").sum())
    first, last = frame["timestamp"].min(), frame["timestamp"].max()
    lines = [
        f"Rows: {len(frame)} of {frame['symbol'].nunique()} symbols, {labelled} labelled",
        *(f"  {regime}: {counts.get(regime, 0)}" for regime in REGIMES),
        f"Time: {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC",
        f"Written to: {target}",
    ]
    now = pd.Timestamp.now(tz="UTC").tz_localize(None)
    forgotten = int((frame["timestamp"] < now - _TABLE_TTL).sum())
    if forgotten:
        lines.append(f"Note: {forgotten} rows are older than a year; regime_features drops those.")
    return "\n".join(lines)


def _add_source(described: argparse.ArgumentParser) -> None:
    source = described.add_argument_group("what to write")
    source.add_argument(
        "--from-file", type=Path, metavar="FILE", help="your own .csv or .parquet, not a simulation"
    )
    source.add_argument("--rows", type=int, default=_DEFAULTS.rows, help="default: %(default)s")
    source.add_argument(
        "--symbols",
        default="",
        help="how many, or their names with commas between; default: what the rows need, at least "
        "four",
    )
    source.add_argument(
        "--labelled-share",
        type=float,
        default=_DEFAULTS.labelled_share,
        help="share of the rows that carry a label; default: %(default).2f",
    )
    source.add_argument("--seed", type=int, default=_DEFAULTS.seed, help="default: %(default)s")


def _add_target(described: argparse.ArgumentParser) -> None:
    target = described.add_argument_group("where to").add_mutually_exclusive_group(required=True)
    target.add_argument("--to-parquet", type=Path, metavar="FILE")
    target.add_argument("--to-csv", type=Path, metavar="FILE")
    target.add_argument(
        "--connection",
        action="store_true",
        help="the Airflow Connection clickhouse_default, from AIRFLOW_CONN_CLICKHOUSE_DEFAULT",
    )
    target.add_argument("--url", help="SQLAlchemy URL, such as clickhouse+native://host:9000/db")
    described.add_argument(
        "--table", default="regime_features", help="existing table; default: %(default)s"
    )
    described.add_argument(
        "--if-empty", action="store_true", help="leave a table that has rows as it is"
    )


def _run(given: argparse.Namespace) -> str:
    if given.to_parquet or given.to_csv:
        frame = _frame(given)
        return summary(frame, str(_write_file(frame, given)))
    with open_target(given.url) as engine:
        return _load(engine, given)


def _load(engine: sa.Engine, given: argparse.Namespace) -> str:
    if given.if_empty and (rows := count_rows(engine, given.table)):
        return f"{given.table} has {rows} rows already: nothing was written."
    frame = _frame(given)
    insert(engine, frame, given.table)
    return summary(frame, f"{engine.url.render_as_string(hide_password=True)}, {given.table}")


def _frame(given: argparse.Namespace) -> pd.DataFrame:
    if given.from_file is not None:
        return read_file(given.from_file)
    symbols = _symbols(given.symbols)
    return simulate(
        MarketSpec(
            rows=given.rows, symbols=symbols, labelled_share=given.labelled_share, seed=given.seed
        )
    )


def _symbols(text: str) -> tuple[str, ...]:
    if text.isdecimal():
        if int(text) < 2:
            raise BadMarketSpec("--symbols", text, "2 or more, or names with commas between")
        return first_symbols(int(text))
    return tuple(name.strip() for name in text.split(",")) if text else ()


def _write_file(frame: pd.DataFrame, given: argparse.Namespace) -> Path:
    target: Path = given.to_parquet or given.to_csv
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    try:
        if given.to_parquet:
            frame.to_parquet(part, index=False)
        else:
            frame.to_csv(part, index=False)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _refuse(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
