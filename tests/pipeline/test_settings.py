"""Settings come from Variables, give way to Params, and are refused by name when they are wrong."""

import json
import pickle
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.registry.store import Folder
from pipeline.settings import REPOSITORY, read_settings
from pipeline.thresholds import THRESHOLDS, SettingError

TEXTS = ("MODELS_DIR", "DATA_DOCS_DIR", "SNAPSHOT_DATABASE", "TRAIN_DASK_SCHEDULER", "ON_DOUBT")


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


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("MODELS_DIR", '"/app/models"', "without quotes"),
        ("MODELS_DIR", "'/app/models'", "without quotes"),
        ("MODELS_DIR", "/app/models'", "without quotes"),
        ("MODELS_DIR", "/app/mo\ndels", "one line"),
        ("MODELS_DIR", "/app/models\x00", "one line"),
        ("MODELS_DIR", "/app/\u200bmodels", "one line"),
        ("MODELS_DIR", "~/models", "whole path"),
        ("MODELS_DIR", "/home/~user/models", "whole path"),
        ("MODELS_DIR", "$HOME/models", "whole path"),
        ("MODELS_DIR", "/app/{{ ds }}", "whole path"),
        ("MODELS_DIR", "C:\\models", "whole path"),
        ("MODELS_DIR", "s3:/bucket/models", "whole path"),
        ("MODELS_DIR", '"s3://bucket/models"', "without quotes"),
        ("DATA_DOCS_DIR", "~/docs", "whole path"),
        ("DATA_DOCS_DIR", "/docs\n/more", "one line"),
        ("SNAPSHOT_DATABASE", '"snapshots"', "without quotes"),
        ("TRAIN_DASK_SCHEDULER", "tcp://a:1\ntcp://b:1", "one line"),
        ("ON_DOUBT", '"keep"', "without quotes"),
    ],
)
def test_text_that_would_name_another_place_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
) -> None:
    monkeypatch.setattr("pipeline.settings.Variable.get", _only(name, value))
    with pytest.raises(SettingError, match=f"{name} is .*{allowed}"):
        read_settings()


@pytest.mark.parametrize("value", [" /app/models ", "/app/models\n", "\t/app/models\r\n"])
def test_blanks_and_line_ends_around_a_text_are_no_part_of_it(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setattr("pipeline.settings.Variable.get", _only("MODELS_DIR", value))
    assert read_settings().models_dir == "/app/models"
    monkeypatch.setattr("pipeline.settings.Variable.get", _only("SNAPSHOT_DATABASE", " a b "))
    assert read_settings().snapshot_database == "a b"
    monkeypatch.setattr("pipeline.settings.Variable.get", _only("ON_DOUBT", " \n"))
    assert read_settings().on_doubt is None


@given(st.sampled_from([*(n.name for n in THRESHOLDS.values()), *TEXTS]), st.text())
def test_any_text_in_any_setting_is_taken_or_refused_by_name(name: str, value: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.settings.Variable.get", _only(name, value))
        told = ""
        try:
            _ = read_settings().models
        except SettingError as error:
            told = str(error)
    assert not told or (told.startswith(f"{name} is ") and "What to do: " in told)


def _only(name: str, value: str) -> Any:
    """A `Variable.get` that knows one Variable."""
    return lambda asked, default=None: value if asked == name else default


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


def test_decision_costs_are_a_table_of_seven_by_seven(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    costs = json.dumps([[0, 1, 1, 1, 1, 1, 2.5]] * 7)
    monkeypatch.setenv("AIRFLOW_VAR_DECISION_COSTS", costs)

    assert read_settings().decision_costs == ((0, 1, 1, 1, 1, 1, 2.5),) * 7


@pytest.mark.parametrize(
    "value", ["5", "[[0, 1]]", "{}", "x", json.dumps([[0, 0, 0, 0, 0, 0, float("nan")]] * 7)]
)
def test_decision_costs_of_another_form_are_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_DECISION_COSTS", value)

    with pytest.raises(SettingError, match=r"DECISION_COSTS is .* 7 lists of 7 numbers"):
        read_settings()
