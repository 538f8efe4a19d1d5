"""Settings come from Variables, give way to Params, and are refused by name when they are wrong."""

import json
import pickle
from datetime import timedelta
from typing import Any

import pytest

from ml.storage import Folder
from pipeline.settings import REPOSITORY, read_settings
from pipeline.thresholds import THRESHOLDS, SettingError


def test_read_settings_with_nothing_set_gives_the_contract_defaults() -> None:
    settings = read_settings()
    assert (settings.min_labeled_samples, settings.min_classes) == (300, 3)
    assert settings.min_samples_per_class == 10
    assert (settings.min_class_share, settings.max_class_share) == (0.01, 0.70)
    assert (settings.min_accuracy, settings.min_improvement) == (0.65, 0.0)
    assert (settings.holdout_fraction, settings.embargo) == (0.2, timedelta(hours=24))
    assert settings.max_label_age_days is None
    assert settings.max_p_value is None
    assert (settings.min_holdout_days, settings.min_holdout_runs) == (5, 20)
    assert settings.on_doubt is None
    assert settings.models == Folder(REPOSITORY / "models")
    assert settings.data_docs_dir == REPOSITORY / "data_docs"
    assert settings.snapshot_database is None


def test_variable_takes_the_place_of_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_MIN_ACCURACY", "0.7")
    monkeypatch.setenv("AIRFLOW_VAR_MODELS_DIR", "/app/models")
    monkeypatch.setenv("AIRFLOW_VAR_SNAPSHOT_DATABASE", "snapshots")
    settings = read_settings()
    assert (settings.min_accuracy, settings.models_dir) == (0.7, "/app/models")
    assert settings.snapshot_database == "snapshots"


def test_param_takes_the_place_of_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_MIN_ACCURACY", "0.7")
    assert read_settings({"min_accuracy": 0.9, "min_classes": None}).min_accuracy == 0.9


def test_empty_variable_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_MIN_LABELED_SAMPLES", "")
    assert read_settings().min_labeled_samples == 300


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MIN_ACCURACY", "high"),
        ("MIN_ACCURACY", "65"),
        ("MIN_ACCURACY", "nan"),
        ("MIN_LABELED_SAMPLES", "300.5"),
        ("MIN_LABELED_SAMPLES", "-1"),
        ("MIN_IMPROVEMENT", "inf"),
        ("MAX_P_VALUE", "5%"),
        ("MAX_P_VALUE", "5"),
        ("HOLDOUT_FRACTION", "0"),
        ("MIN_HOLDOUT_DAYS", "0"),
        ("MIN_HOLDOUT_RUNS", "2.5"),
        ("ON_DOUBT", "deploy"),
        ("EMBARGO_HOURS", "one day"),
        ("MAX_LABEL_AGE_DAYS", "-3"),
        ("MIN_CLASS_SHARE", "0.8"),
        ("DATA_DOCS_DIR", "s3://bucket/docs"),
    ],
)
def test_wrong_value_is_refused_with_name_value_and_range(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"AIRFLOW_VAR_{name}", value)
    with pytest.raises(SettingError) as caught:
        read_settings()
    assert name in str(caught.value)
    assert str(caught.value.value) == value
    assert caught.value.allowed in str(caught.value)


@pytest.mark.parametrize(
    "address",
    ["nowhere://models", "ftp://host/models", "gs://bucket/models", "s3://nobody@bucket/models"],
)
def test_models_dir_that_nothing_can_open_is_refused(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_MODELS_DIR", address)
    with pytest.raises(SettingError, match=r"MODELS_DIR is .* s3://connection@bucket/models"):
        _ = read_settings().models


def test_models_dir_in_an_object_store_takes_its_connection_from_airflow(
    monkeypatch: pytest.MonkeyPatch, s3: Any
) -> None:
    extra = json.dumps({"endpoint_url": s3.endpoint_url})
    connection = {"conn_type": "aws", "login": "key-of-ours", "password": "secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_OUR_S3", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW_VAR_MODELS_DIR", "s3://our_s3@models/of/ours/")
    models = read_settings().models
    models.write("x.txt", b"content")
    assert s3.cat_file("models/of/ours/x.txt") == b"content"
    assert models.where("x.txt") == "s3://models/of/ours/x.txt"


def test_setting_error_survives_pickle() -> None:
    error = SettingError("MIN_ACCURACY", "high", "a number")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_every_threshold_has_a_param_that_may_stay_empty() -> None:
    for threshold in THRESHOLDS.values():
        assert threshold.param().resolve() is None


@pytest.mark.parametrize("value", ["300.0", "300", " 3e2 ", 300, 300.0])
def test_whole_number_may_be_written_with_a_point(value: object) -> None:
    number = THRESHOLDS["min_labeled_samples"].parse(value)
    assert (number, type(number)) == (300, int)
