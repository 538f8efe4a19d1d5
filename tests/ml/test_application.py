"""What docs/application.md shows is run as it stands there: features and answers are checked."""

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import onnxruntime
import pytest

from ml.contract import FEATURES
from ml.onnx_model import load_model
from tests.ml.test_acceptance import rounded_up

TOOLS = Path(__file__).resolve().parents[2] / ".tools"
GUIDE = Path("docs/application.md").read_text(encoding="utf-8")
RUN_PYTHON = """
import json, sys
import onnxruntime
own = json.load(open(sys.argv[2]))
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
print(json.dumps(check_model(session, lambda symbol, time: own.get(symbol + time))))
"""
RUN_JAVASCRIPT = """
const own = JSON.parse(readFileSync(process.argv[3]));
const features = (symbol, time) => own[symbol + time];
console.log(JSON.stringify(await checkModel(process.argv[2], features)));
"""
OLD, NODE = "onnxruntime==1.16.3", "onnxruntime-node@1.23.2"


def block(language):
    return re.search(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL).group(1)


def fetched(name, *command):
    """A folder beside the repository's other tools, filled on first use; skips where it cannot."""
    folder = TOOLS / name
    if folder.exists():
        return folder
    TOOLS.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=TOOLS, prefix="fetching-") as own:
        done = subprocess.run([*command, own], capture_output=True, text=True, check=False, cwd=own)
        if done.returncode:
            pytest.skip(f"cannot fetch {name}: {done.stderr[-300:]}")
        with suppress(OSError):  # another worker's is there already
            Path(own).rename(folder)
        Path(own).mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def newest_python():
    namespace = {}
    exec(block("python"), namespace)

    def check(path, own):
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return namespace["check_model"](session, lambda symbol, time: own.get(symbol + time))

    return check


@pytest.fixture(scope="module")
def old_python(tmp_path_factory):
    if sys.version_info >= (3, 12):
        pytest.skip(f"{OLD} has no wheels for Python 3.12 and later: run with 3.11")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--only-binary=:all:", OLD)
    folder = fetched("onnxruntime-1.16.3", *pip, "numpy<2", "--target")
    script = tmp_path_factory.mktemp("old") / "check.py"
    script.write_text(block("python") + RUN_PYTHON)
    return _in_a_process([sys.executable, script], PYTHONPATH=str(folder))


@pytest.fixture(scope="module")
def javascript():
    if shutil.which("npm") is None:
        pytest.skip("npm is missing: apt-get install npm")
    npm = ("npm", "install", "--silent", "--ignore-scripts", NODE, "--prefix")
    script = fetched(NODE, *npm) / "check.mjs"
    script.write_text(block("javascript") + RUN_JAVASCRIPT)
    return _in_a_process(["node", script])


def _in_a_process(command, **environment):
    def check(path, own):
        given = path.with_suffix(".json")
        given.write_text(json.dumps(own))
        done = subprocess.run(
            [*command, path, given],
            env={"PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)

    return check


@pytest.fixture(
    params=[
        "newest_python",
        pytest.param("old_python", marks=pytest.mark.full),
        pytest.param("javascript", marks=pytest.mark.full),
    ]
)
def check(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def file(built, tmp_path):
    path = tmp_path / "regime_detector.onnx"
    path.write_bytes(built.model)
    return path


@pytest.fixture
def own(built):
    """What the application computes of each golden row, here as it should."""
    metadata = load_model(built.model).get_modelmeta().custom_metadata_map
    rows = json.loads(metadata["golden_rows"])["rows"]
    return {row["symbol"] + row["timestamp"]: list(row["inputs"]) for row in rows}


def test_good_application_has_no_problems(check, file, own):
    assert check(file, own) == []


def test_feature_in_another_unit_is_named(check, file, own):
    for values in own.values():
        values[FEATURES.index("funding_rate")] *= 100

    assert check(file, own) == ["funding_rate differs in 32 of 32 rows"]


def test_exchanged_columns_are_named(check, file, own):
    a, b = FEATURES.index("ema_9"), FEATURES.index("ema_21")
    for values in own.values():
        values[a], values[b] = values[b], values[a]

    assert [problem.split()[0] for problem in check(file, own)] == ["ema_9", "ema_21"]


def test_rows_that_are_gone_are_passed_over_and_none_is_a_problem(check, file, own):
    assert check(file, dict(list(own.items())[:3])) == []
    assert check(file, {}) == ["none of the golden rows is here"]


def test_thresholds_rounded_up_are_found(check, file, own, built):
    file.write_bytes(rounded_up(built.model))

    (problem,) = check(file, own)
    assert problem.endswith("of 48 answers differ")
