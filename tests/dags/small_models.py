"""Real models that take a second to make, for tests of what is done with models."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from ml.contract import FEATURES, REGIMES
from ml.data.samples import Samples
from ml.registry.deployment import deploy_candidate
from ml.registry.models import write_candidate
from ml.training.candidate import BuiltCandidate, build_candidate
from ml.training.forest import TrainingOptions
from ml.training.metrics import Provenance

WEEK = timedelta(days=7)
START = datetime(2026, 11, 8, 2, tzinfo=UTC)


def small_candidates(count: int) -> list[BuiltCandidate]:
    """Different models with all their metrics, one for each week."""
    return [_built(START + week * WEEK) for week in range(count)]


def deploy(models_dir: Path, built: BuiltCandidate, at: datetime) -> None:
    """Puts a candidate into production."""
    run_id = built.metrics["run_id"]
    write_candidate(models_dir, run_id, built.files())
    deploy_candidate(models_dir, run_id, built.sha256, at)


def samples_of(market: pd.DataFrame) -> Samples:
    """The labelled rows of a simulated market."""
    labelled = market[market["regime_label"] != ""]
    labelled = labelled.sort_values(["timestamp", "symbol"], ignore_index=True)
    return Samples(
        labelled[list(FEATURES)].to_numpy(np.float32),
        np.array([REGIMES.index(name) for name in labelled["regime_label"]], np.uint8),
        labelled["timestamp"].to_numpy().astype("datetime64[s]"),
        labelled["symbol"].to_numpy().astype(object),
    )


_FEW_TREES = TrainingOptions(trees=40, cv_folds=2, cv_trees=2)


def market_candidate(market: pd.DataFrame, options: TrainingOptions = _FEW_TREES) -> BuiltCandidate:
    """A model that has learned from a simulated market."""
    provenance = Provenance("market", "db.table", "f" * 32, datetime.now(UTC))
    return build_candidate(samples_of(market), options, 0.2, timedelta(hours=24), provenance)


def _built(trained_at: datetime) -> BuiltCandidate:
    rng = np.random.default_rng(trained_at.day)
    labels = rng.integers(0, 3, 400).astype(np.uint8)
    features = (rng.normal(size=(400, 22)) + labels[:, None]).astype(np.float32)
    hours = np.arange(400) * np.timedelta64(3600, "s")
    symbols = np.array(["BTC"] * 400, dtype=object)
    samples = Samples(features, labels, np.datetime64("2026-01-01T00:00:00", "s") + hours, symbols)
    options = TrainingOptions(trees=5, max_depth=4, cv_folds=2, cv_trees=2, n_jobs=1)
    provenance = Provenance(f"run of {trained_at:%d.%m.}", "db.table", "f" * 32, trained_at)
    return build_candidate(samples, options, 0.2, timedelta(hours=24), provenance)
