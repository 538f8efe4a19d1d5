"""docs/operations.md and what lies beside it name what the code does."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import gauges
from pipeline.dag_defaults import PERMANENT_FAILURES
from pipeline.failure import _REMEDIES

REPOSITORY = Path(__file__).resolve().parent.parent
GUIDE = (REPOSITORY / "docs/operations.md").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yaml").read_text("utf-8"))
GAUGES = [value for name, value in vars(gauges).items() if name.isupper()]


def _section(title: str) -> str:
    return GUIDE.split(f"## {title}\n")[1].split("\n## ")[0]


def test_every_gauge_is_described_and_has_an_alert_rule() -> None:
    rules = (REPOSITORY / "docs/alerts.yaml").read_text(encoding="utf-8")
    expressions = [rule["expr"] for rule in yaml.safe_load(rules)["groups"][0]["rules"]]
    described = set(re.findall(r"`airflow\.(regime_model\.\w+)`", _section("Monitoring")))
    assert described == set(GAUGES) and len(GAUGES) == 8
    named = {name for text in expressions for name in re.findall(r"airflow_(\w+)", text)}
    assert named == {gauge.replace(".", "_") for gauge in GAUGES}


@pytest.mark.parametrize("failure", [*PERMANENT_FAILURES, *_REMEDIES, "worker_killed"])
def test_every_kind_of_failure_says_what_to_do(failure: str) -> None:
    name = failure.rpartition(".")[2]
    if name in {"AttributeError", "NameError", "TypeError"}:  # a defect, whose text is its own
        return
    told = "process was killed" if name == "worker_killed" else f"`{name}`"
    assert told in _section("What a message asks for")


def test_every_secret_of_the_stack_has_its_rotation() -> None:
    example = (REPOSITORY / ".env.example").read_text(encoding="utf-8")
    for secret in re.findall(r"^(\w+)=$", example, re.MULTILINE):
        assert f"`{secret}`" in _section("Rotation of secrets"), secret


def test_helm_values_notice_a_lost_worker_as_the_compose_stack_does() -> None:
    values = yaml.safe_load((REPOSITORY / "docs/helm-values.yaml").read_text(encoding="utf-8"))
    given = {entry["name"]: entry["value"] for entry in values["env"]}
    stack = COMPOSE["x-airflow-environment"]
    same = [n for n in given if n.startswith(("AIRFLOW__SCHEDULER", "AIRFLOW__CELERY"))]
    assert len(same) == 5
    assert {name: given[name] for name in same} == {name: stack[name] for name in same}
    lock = (REPOSITORY / "requirements.txt").read_text(encoding="utf-8")
    assert f"apache-airflow=={values['airflowVersion']} \\\n" in lock
    assert given["AIRFLOW_VAR_MODELS_DIR"].startswith("s3://my_s3@")
    secrets = {entry["envName"] for entry in values["secret"]}
    assert {"AIRFLOW_CONN_CLICKHOUSE_DEFAULT", "AIRFLOW_CONN_MY_S3"} <= secrets


def test_every_linked_file_and_section_exists() -> None:
    titles = {title.lower().replace(" ", "-") for title in re.findall(r"^## (.+)$", GUIDE, re.M)}
    for target in re.findall(r"\]\((?!http)([^)]+)\)", GUIDE):
        file, _, section = target.partition("#")
        assert not file or (REPOSITORY / "docs" / file).exists(), target
        assert file or section in titles, target
