"""Creates the source table where the pipeline's own demo and compose stack need one."""

from pathlib import Path

from sqlalchemy import Engine, text

SCHEMA_FILE = Path(__file__).with_name("schema.sql")


def apply_schema(engine: Engine) -> None:
    """Creates `regime_features` in the connection's database unless it exists.

    Raises:
        ClickHouseRefused: if the user may not create tables.
    """
    with engine.connect() as connection:
        connection.execute(text(SCHEMA_FILE.read_text(encoding="utf-8")))
