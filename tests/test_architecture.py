"""Who may import whom, and facts that stand in two places and must agree."""

import ast
import re
from pathlib import Path

import pytest

LIBRARIES = ("clickhouse", "expectations", "ml", "notifications", "sample_market", "theme")
ROOMS = (*LIBRARIES, "pipeline", "dags", "plugins")
MAY_IMPORT = {
    **{library: {library} for library in LIBRARIES},
    "ml": {"ml", "clickhouse", "theme"},
    "expectations": {"expectations", "theme"},
    "sample_market": {"sample_market", "ml"},
    "pipeline": {*LIBRARIES, "pipeline"},
    "dags": {"pipeline"},
    "plugins": {"pipeline"},
}


FLOORS = ("data", "registry", "report", "evaluation", "watch", "training", "labelling", "replay")
"""Rooms of `ml`, each of which may import those before it, and the modules on the ground."""
ROOF = {"ml/__main__.py"}


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


def test_rooms_of_ml_import_nothing_from_above() -> None:
    for file in Path("ml").rglob("*.py"):
        if file.as_posix() in ROOF:
            continue
        room = file.parts[1] if len(file.parts) > 2 else None
        below = FLOORS[: FLOORS.index(room) + 1] if room else ()
        imported = {name.split(".")[1] for name in _modules(file) if name.startswith("ml.")}
        assert not {name for name in imported if name in FLOORS} - set(below), file
        assert not imported & {Path(path).stem for path in ROOF}, file


def test_clickhouse_is_imported_where_rows_are_read_alone() -> None:
    users = {f for f in Path("ml").rglob("*.py") if "clickhouse" in _imports(f)}
    readers = {Path("ml/data/reading.py"), Path("ml/labelling/listing.py")}
    replaying = {Path(f"ml/replay/{name}.py") for name in ("fitting", "plan", "run")}
    assert users - {Path("ml/__main__.py")} == readers | replaying


def _modules(file: Path) -> set[str]:
    """The modules that a file imports, also within functions."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    froms = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    names = {name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    return froms | {alias.name for alias in names}


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


def test_every_requirement_of_the_locks_has_a_hash() -> None:
    for lock in Path().glob("requirements*.txt"):
        pinned = re.findall(r"^[\w.-]+==.*(?:\n +--hash=sha256:\w{64}.*)*", lock.read_text(), re.M)
        assert len(pinned) > 100, lock
        assert not [entry for entry in pinned if "--hash=" not in entry], lock


def test_locks_name_no_machine_and_no_registry() -> None:
    for lock in Path().glob("requirements*.txt"):
        text = lock.read_text(encoding="utf-8")
        assert not re.search(r"://|--index|--find-links| @ ", text)


def test_path_of_a_run_is_read_in_2500_lines() -> None:
    guide = Path("docs/reading.md").read_text(encoding="utf-8")
    files = re.findall(r"^\d+\. `([^`]+)`", guide, re.MULTILINE)
    lines = [len(Path(name).read_text(encoding="utf-8").splitlines()) for name in files]
    assert len(files) >= 12 and sum(lines) <= 2_500, dict(zip(files, lines, strict=True))
