"""Command line: simulate a market, or take a person's own file, and write it somewhere."""

import logging
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import pandas as pd
import sqlalchemy as sa
import typer
from clickhouse_sqlalchemy.exceptions import DatabaseException
from sqlalchemy.exc import SQLAlchemyError

from clickhouse.engine import opened
from ml.contract import REGIMES
from sample_market.loading import BadMarketFile, count_rows, insert, read_file
from sample_market.market import simulate
from sample_market.spec import BadMarketSpec, MarketSpec, first_symbols

_TABLE_TTL = pd.Timedelta(days=365)
_DEFAULTS = MarketSpec()

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0, or 2 where it cannot be done."""
    # It logs the traceback of an error that is reported here in one line.
    logging.getLogger("clickhouse_driver").addHandler(logging.NullHandler())
    try:
        app(arguments, prog_name="python -m sample_market")
        return 0
    except SystemExit as ended:
        return int(ended.code or 0)
    except (BadMarketSpec, BadMarketFile) as error:
        return _refuse(str(error))
    except (SQLAlchemyError, DatabaseException, OSError, ValueError) as error:
        # ClickHouse appends its own stack trace to what it answers.
        reason = " ".join(str(error).split("Stack trace")[0].split())
        return _refuse(f"the market cannot be written: {reason}")


@app.command()
def write(
    from_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Your own .csv or .parquet, not a simulation."),
    ] = None,
    rows: int = _DEFAULTS.rows,
    symbols: Annotated[
        str,
        typer.Option(
            help="How many, or their names with commas between; else what the rows need, at "
            "least four."
        ),
    ] = "",
    labelled_share: Annotated[
        float, typer.Option(help="Share of the rows that carry a label.")
    ] = _DEFAULTS.labelled_share,
    seed: int = _DEFAULTS.seed,
    to_parquet: Annotated[Path | None, typer.Option(metavar="FILE")] = None,
    to_csv: Annotated[Path | None, typer.Option(metavar="FILE")] = None,
    connection: Annotated[
        bool,
        typer.Option(
            "--connection",
            help="The Airflow Connection clickhouse_default, from AIRFLOW_CONN_CLICKHOUSE_DEFAULT.",
        ),
    ] = False,
    url: Annotated[
        str | None, typer.Option(help="SQLAlchemy URL, such as clickhouse+native://host:9000/db")
    ] = None,
    table: Annotated[str, typer.Option(help="Existing table.")] = "regime_features",
    if_empty: Annotated[
        bool, typer.Option("--if-empty", help="Leave a table that has rows as it is.")
    ] = False,
) -> None:
    """Write a simulated, partly labelled market, or your own file of features.

    It goes into a file, or into the table of features in ClickHouse.
    """
    file = to_parquet or to_csv
    if sum((to_parquet is not None, to_csv is not None, connection, url is not None)) != 1:
        raise typer.BadParameter("give one of --to-parquet, --to-csv, --connection, --url")
    if if_empty and file:
        raise typer.BadParameter("--if-empty needs a table: give --connection or --url")

    def frame() -> pd.DataFrame:
        if from_file is not None:
            return read_file(from_file)
        spec = MarketSpec(
            rows=rows, symbols=_symbols(symbols), labelled_share=labelled_share, seed=seed
        )
        return simulate(spec)

    if file:
        market = frame()
        _write_file(market, file, as_parquet=file is to_parquet)
        print(summary(market, str(file)))
        return
    with open_target(url) as engine:
        if if_empty and (found := count_rows(engine, table)):
            print(f"{table} has {found} rows already: nothing was written.")
            return
        market = frame()
        insert(engine, market, table)
        print(summary(market, f"{engine.url.render_as_string(hide_password=True)}, {table}"))


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


def _symbols(text: str) -> tuple[str, ...]:
    if text.isdecimal():
        if int(text) < 2:
            raise BadMarketSpec("--symbols", text, "2 or more, or names with commas between")
        return first_symbols(int(text))
    return tuple(name.strip() for name in text.split(",")) if text else ()


def _write_file(frame: pd.DataFrame, target: Path, *, as_parquet: bool) -> None:
    part = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if as_parquet:
            frame.to_parquet(part, index=False)
        else:
            frame.to_csv(part, index=False)
        part.replace(target)
    except OSError as error:
        raise OSError(f"{target}: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def _refuse(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
