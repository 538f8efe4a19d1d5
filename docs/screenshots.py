"""Takes the README's pictures of the Airflow UI: a real Airflow, real runs, a real browser.

    python -m docs.screenshots

Everything lies in a temporary folder. Three runs come before: one that deploys, one whose labels
are better and replaces it, and one whose accuracy is below the floor of the trigger form.
"""

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import pytest
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from sample_market import MarketSpec, simulate
from tests.conftest import CHROMIUM, REPOSITORY
from tests.dags.home import embedded_home
from tests.services.scheduler import USER, Airflow, running_airflow, token_of

DAG: Final = "regime_model_training"
FOLDER: Final = REPOSITORY / "docs" / "screenshots"
_COLOURS: Final = 96
_MOST_BYTES: Final = 150_000


@dataclass(frozen=True)
class Camera:
    """A browser that is logged in, and where the pictures go."""

    page: Page
    airflow: Airflow

    def open(self, path: str, width: int = 1400, height: int = 900) -> Page:
        """Opens a path of the UI at a size and waits until it is quiet."""
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.goto(f"{self.airflow.address}/{path}", wait_until="networkidle")
        return self.page

    def keep(self, name: str) -> None:
        """Takes a picture and writes it with few colours.

        Raises:
            SystemExit: if it is too large all the same.
        """
        # Airflow draws its panels with animations.
        self.page.wait_for_timeout(1500)
        taken = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        file = FOLDER / f"{name}.png"
        taken.quantize(_COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
        if file.stat().st_size > _MOST_BYTES:
            size = f"{file.stat().st_size:,} bytes"
            raise SystemExit(f"{file.name} has {size}: show less of the page")


def main() -> None:
    """Runs the DAG and takes every picture."""
    FOLDER.mkdir(exist_ok=True)
    with demo() as (airflow, deployed), camera(airflow) as open_camera:
        _take(open_camera, deployed)


def _take(camera: Camera, deployed: str) -> None:
    run = f"dags/{DAG}/runs/{quote(deployed)}"
    page = camera.open(run)
    page.get_by_role("button", name="Show Graph").click()
    page.get_by_role("button", name="Collapse Details Panel").click()
    page.mouse.move(700, 20)
    camera.keep("dag")
    page = camera.open(f"dags/{DAG}")
    page.get_by_test_id("trigger-dag-button").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Promotion gate").click()
    camera.keep("trigger")
    camera.open(f"{run}/tasks/check_data").get_by_text("labels missing").first.wait_for()
    camera.keep("check-data-log")
    for name, route, path in (
        ("data-docs", "data-docs", "data-docs/run"),
        ("report", "models", "report"),
    ):
        address = f"plugin/{route}/regime-model/{path}?{urlencode({'run_id': deployed})}"
        page = camera.open(address, height=1200)
        page.frame_locator("iframe").get_by_role("heading").first.wait_for()
        camera.keep(name)
    camera.open("plugin/models", height=2350).frame_locator("iframe").locator("h1").wait_for()
    camera.keep("models")
    camera.open("regime-model/models", width=390)
    camera.keep("models-phone")


@contextmanager
def demo() -> Iterator[tuple[Airflow, str]]:
    """An Airflow after three runs, and the id of the one whose model is in production."""
    market = simulate(MarketSpec())
    names = {"trend_up": "trend_down", "trend_down": "trend_up"}
    worse = market.assign(regime_label=market["regime_label"].replace(names))
    with (
        tempfile.TemporaryDirectory(prefix="prometheus-") as name,
        pytest.MonkeyPatch.context() as patched,
    ):
        folder = Path(name)
        home = embedded_home(folder, patched, lambda: "")
        with running_airflow(folder / "airflow", REPOSITORY / "dags") as airflow:
            home.load(worse)
            airflow.unpause(DAG)
            run_once(airflow)
            home.load(market)
            deployed = run_once(airflow)
            run_once(airflow, min_accuracy=0.99)
            yield airflow, deployed


def run_once(airflow: Airflow, **conf: Any) -> str:
    """Runs the DAG to its successful end; the run's id."""
    run_id = airflow.trigger(DAG, **conf)
    state, tasks = airflow.finished(DAG, run_id)
    if state != "success":
        raise SystemExit(f"The run failed: {tasks}")
    return run_id


@contextmanager
def camera(airflow: Airflow) -> Iterator[Camera]:
    """A browser on an Airflow."""
    with sync_playwright() as playwright:
        if CHROMIUM is None:
            raise SystemExit("install Chromium, such as `apt-get install chromium`")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(color_scheme="light")
        # The graph and the widths of the panels would else stay as a former picture left them.
        context.add_init_script("localStorage.clear()")
        token = token_of(airflow.address, USER)
        context.add_cookies([{"name": "_token", "value": token, "url": airflow.address}])
        yield Camera(context.new_page(), airflow)
        browser.close()


if __name__ == "__main__":
    main()
