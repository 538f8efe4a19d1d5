"""Makes the labelling list: reads the source, asks the models, ranks, keeps the table.

ClickHouse counts and draws; models are asked for a few thousand rows, however many there are.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from clickhouse.labelling import Extent, Unlabelled, write_wanted
from ml.contract import FEATURES, REGIMES
from ml.errors import decoration
from ml.labelling.ranking import (
    BLOCK,
    WINDOW,
    LabelCoverage,
    Pool,
    WantedRow,
    Wishes,
    choose_rows,
    rank_rows,
)
from ml.onnx_model import load_model, score
from ml.training.acceptance import forest_probabilities
from ml.training.forest import TrainingOptions, fit_forest

Rows: TypeAlias = Sequence[tuple[Any, ...]]
Answers: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float64]]
DRAWN: Final = 5_000
"""Rows that models are asked for: a second for two models."""
_GUESSED_FROM: Final = 1_000
_GUESS: Final = TrainingOptions(trees=60)


@dataclass(frozen=True)
class LabelList:
    """Rows to label next.

    Attributes:
        rows: best first.
        wanted: how many were asked for.
        labels: how many labels there are, by regime.
        listed_at: ISO 8601, UTC.
        run_id: whose run made it; empty if none did.
    """

    rows: tuple[WantedRow, ...]
    wanted: int
    labels: Mapping[str, int]
    listed_at: str
    run_id: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, JSON-safe."""
        return {**vars(self), "rows": [row.to_dict() for row in self.rows]}


def make_list(
    engine: Engine,
    wishes: Wishes,
    production: bytes | None = None,
    candidate: bytes | None = None,
    run_id: str = "",
) -> LabelList:
    """Makes the list of the source as it is now; without a model, of what its labels alone say.

    Args:
        engine: on the server of the source.
        wishes: how many rows, and what of.
        production: content of the ONNX file in production; None if there is none.
        candidate: of the run's candidate; likewise.
        run_id: whose run asks.

    Raises:
        ClickHouseRefused: if nobody can know which version of a row counts.
    """
    with engine.connect() as connection:
        block, window = int(BLOCK.total_seconds()), int(WINDOW.total_seconds())
        source = Unlabelled.of(connection, FEATURES, block, window)
        extent = source.extent(connection)
        counted = source.count_labels(connection, REGIMES)
        drawn = source.draw(connection, DRAWN, extent.blocks)
        no_model = production is None and candidate is None
        known = source.draw_labelled(connection, _GUESSED_FROM) if no_model else []
    coverage = _coverage(extent, counted)
    X, rows = _features(drawn)
    pool = _pool(rows)
    of_production, of_candidate = (_answers(model, X) for model in (production, candidate))
    model = of_candidate or of_production
    chosen = choose_rows(pool, coverage, wishes, model[1] if model else _guess(known, X))
    predicted = (answers[0] if answers else None for answers in (of_production, of_candidate))
    wanted = rank_rows(pool, chosen, *predicted)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return LabelList(wanted, wishes.rows, dict(coverage.regimes), now, run_id)


def keep_list(engine: Engine, database: str | None, made: LabelList) -> None:
    """Puts a list into the table `regime_labels_wanted` in place of the former one."""
    rows = (
        (
            row.rank,
            row.symbol,
            int(datetime.fromisoformat(row.timestamp).timestamp()),
            row.why,
            row.production,
            row.candidate,
        )
        for row in made.rows
    )
    comment = json.dumps({"run_id": made.run_id, "listed_at": made.listed_at})
    write_wanted(engine, database, rows, comment)


def _answers(model: bytes | None, X: NDArray[np.float32]) -> Answers | None:
    # The list does without a model that is broken, of which others tell.
    with decoration("What a model predicts of the rows to label"):
        return None if model is None else score(load_model(model), X)
    return None


def _coverage(extent: Extent, counted: Mapping[tuple[str, int], tuple[int, ...]]) -> LabelCoverage:
    by_regime = np.array([*counted.values()]).reshape(len(counted), len(REGIMES) + 1).sum(axis=0)
    return LabelCoverage(
        {place: sum(counts) for place, counts in counted.items()},
        dict(zip(REGIMES, map(int, by_regime), strict=False)),
        np.datetime64(extent.first, "s"),
        np.datetime64(extent.last, "s"),
    )


def _features(rows: Rows) -> tuple[NDArray[np.float32], Rows]:
    """Features of the rows that the data gate would take once they are labelled, and these rows."""
    width = len(FEATURES)
    with np.errstate(over="ignore"):
        X = np.array([row[3 : 3 + width] for row in rows], np.float64).astype(np.float32)
    X = X.reshape(len(rows), width)
    fit = [bool(np.isfinite(row).all()) for row in X]
    return X[fit], [row for row, good in zip(rows, fit, strict=True) if good]


def _pool(rows: Rows) -> Pool:
    symbols, seconds, lots = ([row[k] for row in rows] for k in range(3))
    times = np.array(seconds, np.int64).astype("datetime64[s]")
    return Pool(np.array(symbols, object), times, np.array(lots, np.uint64))


def _guess(rows: Rows, X: NDArray[np.float32]) -> NDArray[np.float64] | None:
    """Probabilities by a small forest of the labels there are, where no model is kept yet."""
    known, rows = _features([row for row in rows if row[-1] in REGIMES])
    y = np.array([REGIMES.index(row[-1]) for row in rows], np.uint8)
    if len(np.unique(y)) < 2 or not len(X):
        return None
    return forest_probabilities(fit_forest(known, y, _GUESS), X)
