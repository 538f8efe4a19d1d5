"""Small synthetic samples with a signal, and what is built from them once for all tests."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import numpy as np
import pytest

from ml.data.samples import Samples
from ml.registry.object_store import ObjectStore
from ml.registry.store import Folder
from ml.training.candidate import build_candidate
from ml.training.export import export_forest
from ml.training.forest import TrainingOptions, fit_forest
from ml.training.metrics import Provenance
from tests.conftest import a_quarter

EMBARGO = timedelta(hours=24)
SCALES = np.geomspace(1e-3, 1e4, 22)


def _samples(n=600, regimes=(0, 1, 2, 3, 4, 5, 6), signal=1.5, seed=0, symbols=("BTC", "ETH")):
    rng = np.random.default_rng(seed)
    labels = rng.choice(regimes, n).astype(np.uint8)
    centres = np.random.default_rng(99).normal(size=(7, 22)) * signal
    features = ((rng.normal(size=(n, 22)) + centres[labels]) * SCALES).astype(np.float32)
    hours = np.arange(n) // len(symbols)
    return Samples(
        features,
        labels,
        np.datetime64("2026-01-01T00:00:00", "s") + hours * np.timedelta64(3600, "s"),
        np.array([symbols[row % len(symbols)] for row in range(n)], dtype=object),
    )


@pytest.fixture(params=["folder", a_quarter("s3")])
def store(request, tmp_path):
    """An empty place for models, of each kind."""
    if request.param == "folder":
        return Folder(tmp_path / "models")
    prefix = f"models/{uuid4().hex}"
    return ObjectStore(request.getfixturevalue("s3"), prefix, f"s3://{prefix}")


@pytest.fixture
def contents(store):
    """Gives every file of the store by name; locks are none."""

    def read():
        if isinstance(store, Folder):
            found = [path for path in store.root.rglob("*") if path.is_file()]
            names = [str(path.relative_to(store.root)) for path in found]
        else:
            store.fs.invalidate_cache()
            names = [path.removeprefix(f"{store.root}/") for path in store.fs.find(store.root)]
        return {name: store.read(name) for name in sorted(names) if name != ".lock"}

    return read


@pytest.fixture(scope="session")
def make_samples():
    return _samples


@pytest.fixture(scope="session")
def samples():
    return _samples()


@pytest.fixture(scope="session")
def options():
    return TrainingOptions(trees=20, max_depth=6, cv_folds=3, cv_trees=5, n_jobs=1)


@pytest.fixture(scope="session")
def forest(samples, options):
    return fit_forest(samples.features, samples.labels, options)


@pytest.fixture(scope="session")
def model(forest):
    return export_forest(forest, {"train_start": "2025-01-01T00:00:00+00:00"})


@pytest.fixture(scope="session")
def provenance():
    return Provenance(
        "manual__2026-11-22T02:00:00+00:00",
        "market.regime_snapshot_x",
        "f" * 32,
        datetime(2026, 11, 22, 2, tzinfo=UTC),
        "c" * 40,
    )


@pytest.fixture(scope="session")
def build(options, provenance):
    def build_from(samples, options=options, provenance=provenance):
        return build_candidate(samples, options, 0.2, EMBARGO, provenance)

    return build_from


@pytest.fixture(scope="session")
def built(samples, build):
    return build(samples)
