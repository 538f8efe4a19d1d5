"""Who may import whom, and facts that stand in two places and must agree."""

import ast
import re
from pathlib import Path

import pytest

LIBRARIES = ("clickhouse", "expectations", "ml", "notifications", "sample_market")
ROOMS = (*LIBRARIES, "pipeline", "dags", "plugins")
MAY_IMPORT = {
    **{library: {library} for library in LIBRARIES},
    "sample_market": {"sample_market", "ml"},
    "pipeline": {*LIBRARIES, "pipeline"},
    "dags": {"pipeline"},
    "plugins": {"pipeline"},
}


def _imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_room_imports_only_what_the_design_allows(room: str) -> None:
    for file in Path(room).rglob("*.py"):
        imports = _imports(file)
        if file.name == "__main__.py":  # a command line is an edge, as the DAG is
            continue
        assert not (imports & set(ROOMS)) - MAY_IMPORT[room], file
        assert "airflow" not in imports or room not in LIBRARIES, file


def test_apprise_is_imported_where_messages_are_sent_alone() -> None:
    users = {f for room in ROOMS for f in Path(room).rglob("*.py") if "apprise" in _imports(f)}
    assert users == {Path("notifications/sender.py"), Path("notifications/services.py")}


def test_schema_has_the_features_in_the_order_of_the_model() -> None:
    from ml.contract import FEATURES

    schema = Path("clickhouse/schema.sql").read_text(encoding="utf-8")
    columns = re.findall(r"^    (\w+) (?:Float64|UInt8)", schema, re.MULTILINE)
    assert tuple(columns) == FEATURES


def test_lock_excludes_the_onnxruntime_that_computes_forests_wrongly() -> None:
    assert "onnxruntime==1.26" not in Path("requirements.txt").read_text(encoding="utf-8")
    assert "!=1.26.*" in Path("requirements.in").read_text(encoding="utf-8")


def test_locks_name_no_machine_and_no_registry() -> None:
    for lock in ("requirements.txt", "requirements-dev.txt", "requirements-bench.txt"):
        text = Path(lock).read_text(encoding="utf-8")
        assert not re.search(r"://|--index|--find-links| @ ", text)
