"""A twenty-third feature takes three files: the contract, the table and the sample market."""

import json
import os
import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
ROOMS = (
    "clickhouse",
    "dags",
    "expectations",
    "ml",
    "notifications",
    "pipeline",
    "sample_market",
    "theme",
)
RSI = '''

def relative_strength(close: pd.DataFrame) -> pd.DataFrame:
    """RSI over 14 hours, 0 to 100 (Wilder 1978)."""
    change = close.diff()
    gains, losses = (_wilder(side.clip(lower=0.0)) for side in (change, -change))
    return 100 * (gains / (gains + losses)).fillna(0.5)
'''
# By file, which line is followed by what.
ADDED = {
    "ml/contract.py": {
        '    "liquidations_24h",\n': '    "rsi_14",\n',
        '    "adx": (0, 100),\n': '    "rsi_14": (0, 100),\n',
    },
    "clickhouse/schema.sql": {"    liquidations_24h Float64,\n": "    rsi_14 Float64,\n"},
    "sample_market/indicators.py": {
        '        "liquidations_24h": bars.liquidations.rolling(24).sum(),\n': (
            '        "rsi_14": relative_strength(bars.close),\n'
        ),
        "    return close.ewm(span=span, adjust=False).mean()\n": RSI,
    },
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The product with one more feature."""
    listed = subprocess.run(
        ["git", "ls-files", *ROOMS], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        target = tmp_path / "copy" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        content = (REPOSITORY / name).read_text(encoding="utf-8")
        for line, added in ADDED.get(name, {}).items():
            assert content.count(line) == 1, (name, line)
            content = content.replace(line, line + added)
        target.write_text(content, encoding="utf-8")
    return tmp_path / "copy"


@pytest.mark.full
def test_another_feature_takes_three_files_and_runs_to_its_deployment(copy: Path) -> None:
    clickhouse = json.dumps({"conn_type": "chdb", "extra": {"path": str(copy / ".clickhouse")}})
    environment = os.environ | {
        "AIRFLOW_HOME": str(copy / ".airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(copy / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_CLICKHOUSE_DEFAULT": clickhouse,
        "PYTHONPATH": str(copy),
    }
    for command in (["airflow", "db", "migrate"], ["pipeline.demo_run"]):
        run = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    models = copy / "models"
    session = onnxruntime.InferenceSession((models / "regime_detector.onnx").read_bytes())
    assert session.get_inputs()[0].shape[1] == 23
    metrics = json.loads((models / "regime_detector_metrics.json").read_text(encoding="utf-8"))
    assert "rsi_14" in metrics["feature_importances"] and metrics["deployed_at"]
    (result,) = (copy / "data_docs").rglob("results/**/*.json")
    assert "possible rsi_14: 0 to 100" in result.read_text(encoding="utf-8")
