"""The work of one DAG run without Airflow's part: the functions that its tasks call.

python -m benchmarks.work [--only-import]
"""

import argparse
from datetime import UTC, datetime

import pipeline.tasks.notify_success  # noqa: F401 - a run's last task loads it
from pipeline.settings import read_settings
from pipeline.tasks import check_data as data_check
from pipeline.tasks import deploy_model as model_deployment
from pipeline.tasks import train_model as model_training
from pipeline.tasks import validate_model as model_validation


def work() -> None:
    """Checks, trains, validates, and deploys or skips, as a run does."""
    settings, run_id = read_settings(), f"bench {datetime.now(UTC).isoformat()}"
    checked = data_check.check_data(settings, run_id, datetime.now(UTC))
    trained = model_training.train_model(settings, run_id, checked["snapshot"])
    snapshot, on_doubt = checked["snapshot"], settings.on_doubt or "keep"
    decision = model_validation.validate_model(settings, run_id, snapshot, on_doubt)
    if decision["deploy"]:
        model_deployment.deploy_model(settings, run_id, trained, decision)
    else:
        model_deployment.skip_deployment(settings, run_id, decision)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only-import", action="store_true")
    if not parser.parse_args().only_import:
        work()
